import { type DynamicModule, Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { TenantCrypto } from '#infra/crypto';
import { systemClock } from '#infra/kernel';
import { RedisConnections } from '#infra/redis';
import { Sharding } from '#infra/sharding';
import { Log, Metrics } from '#infra/telemetry';
import type { CacheConfig } from './cache.config.js';
import { Cache } from './cache.js';
import { Warmth } from './warmth.js';

@Module({})
export class CacheModule {
  /**
   * Global. Needs the modules of redis, crypto, sharding, audit and telemetry beside it. `warmsAtStart`: the app is ready once
   * the keys that were asked for most are loaded, ten seconds later at the latest.
   */
  static forRoot(config: CacheConfig, { warmsAtStart = false } = {}): DynamicModule {
    return {
      module: CacheModule,
      global: true,
      providers: [
        {
          provide: Cache,
          inject: [RedisConnections, TenantCrypto, Audit, Log, Metrics],
          useFactory: (redis: RedisConnections, crypto: TenantCrypto, audit: Audit, log: Log, metrics: Metrics) =>
            new Cache({ config, redis, crypto, audit, log, metrics, clock: systemClock }),
        },
        {
          provide: Warmth,
          inject: [Cache, Sharding, RedisConnections],
          useFactory: (cache: Cache, sharding: Sharding, redis: RedisConnections) =>
            new Warmth({ cache, sharding, redis, atStart: warmsAtStart }),
        },
      ],
      exports: [Cache, Warmth],
    };
  }
}
