import { type DynamicModule, Module } from '@nestjs/common';
import { RedisConnections } from '#infra/redis';
import { Log, Metrics } from '#infra/telemetry';
import { Limits } from './limits.js';
import { RedisThrottlerStorage } from './throttler-storage.js';
import type { ThrottlingConfig } from './throttling.config.js';

@Module({})
export class ThrottlingModule {
  /** Global. Needs the modules of redis and telemetry beside it. */
  static forRoot(config: ThrottlingConfig): DynamicModule {
    return {
      module: ThrottlingModule,
      global: true,
      providers: [
        {
          provide: Limits,
          inject: [RedisConnections, Log, Metrics],
          useFactory: (redis: RedisConnections, log: Log, metrics: Metrics) =>
            new Limits({ config, redis, log, metrics }),
        },
        {
          provide: RedisThrottlerStorage,
          inject: [RedisConnections, Log],
          useFactory: (redis: RedisConnections, log: Log) =>
            new RedisThrottlerStorage({ redis, log, nodes: config.expectedNodes }),
        },
      ],
      exports: [Limits, RedisThrottlerStorage],
    };
  }
}
