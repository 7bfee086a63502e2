import { type DynamicModule, Module } from '@nestjs/common';
import { Log, Metrics } from '#infra/telemetry';
import { RedisConnections } from './connections.js';
import type { RedisConfig } from './redis.config.js';

@Module({})
export class RedisModule {
  /** Global. Needs the telemetry module beside it. */
  static forRoot(config: RedisConfig): DynamicModule {
    return {
      module: RedisModule,
      global: true,
      providers: [
        {
          provide: RedisConnections,
          inject: [Log, Metrics],
          useFactory: (log: Log, metrics: Metrics) => new RedisConnections(config, log, metrics),
        },
      ],
      exports: [RedisConnections],
    };
  }
}
