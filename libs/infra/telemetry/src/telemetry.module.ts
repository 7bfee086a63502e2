import { type DynamicModule, Module } from '@nestjs/common';
import { HttpMetrics } from './http-metrics.js';
import { createLog, Log } from './log.js';
import { Metrics } from './metrics.js';
import type { ProcessIdentity, TelemetryConfig } from './telemetry.config.js';

/** `Log`, `Metrics` and `HttpMetrics` for every module of a process. */
@Module({})
export class TelemetryModule {
  /** `log` is the one that main made before Nest; without it one is made from the configuration. */
  static forRoot(config: TelemetryConfig, identity: ProcessIdentity, log = createLog(config, identity)): DynamicModule {
    const metrics = new Metrics({ config, identity, log });
    const providers = [
      { provide: Log, useValue: log },
      { provide: Metrics, useValue: metrics },
      { provide: HttpMetrics, useValue: new HttpMetrics(metrics, identity.app) },
    ];
    return { module: TelemetryModule, global: true, providers, exports: [Log, Metrics, HttpMetrics] };
  }
}
