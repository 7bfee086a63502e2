import { type DynamicModule, Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { TenantCrypto } from '#infra/crypto';
import { type Clock, systemClock } from '#infra/kernel';
import { RedisConnections } from '#infra/redis';
import { Log, Metrics } from '#infra/telemetry';
import type { CacheConfig } from './cache.config.js';
import { Cache } from './cache.js';

@Module({})
export class CacheModule {
  /** Global. Needs the modules of redis, crypto, audit and telemetry beside it. */
  static forRoot(config: CacheConfig, clock: Clock = systemClock): DynamicModule {
    return {
      module: CacheModule,
      global: true,
      providers: [
        {
          provide: Cache,
          inject: [RedisConnections, TenantCrypto, Audit, Log, Metrics],
          useFactory: (redis: RedisConnections, crypto: TenantCrypto, audit: Audit, log: Log, metrics: Metrics) =>
            new Cache({ config, redis, crypto, audit, log, metrics, clock }),
        },
      ],
      exports: [Cache],
    };
  }
}
