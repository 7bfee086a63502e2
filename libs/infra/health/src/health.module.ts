import { type DynamicModule, Module } from '@nestjs/common';
import { type Clock, systemClock } from '#infra/kernel';
import { HealthMonitor } from './health-monitor.js';
import { ProcessHealth } from './process-health.js';
import { Readiness } from './readiness.js';

@Module({})
export class HealthModule {
  /** Global: one Readiness for the process, looked at every 5 s. */
  static forRoot(clock: Clock = systemClock): DynamicModule {
    const readiness = new Readiness(clock);
    const itself = new ProcessHealth();
    return {
      module: HealthModule,
      global: true,
      providers: [
        { provide: Readiness, useValue: readiness },
        { provide: ProcessHealth, useValue: itself },
        { provide: HealthMonitor, useFactory: () => new HealthMonitor(readiness, itself) },
      ],
      exports: [Readiness, ProcessHealth],
    };
  }
}
