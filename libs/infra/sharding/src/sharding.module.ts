import { type DynamicModule, Global, Module } from '@nestjs/common';
import { RootKey, TenantCrypto, TenantKeyStore } from '#infra/crypto';
import { type Clock, systemClock } from '#infra/kernel';
import { RedisConnections } from '#infra/redis';
import { ConsistencyTokens, type DatabaseConfig, WritePositions } from '#infra/replicas';
import { Log, Metrics } from '#infra/telemetry';
import { Databases, type ShardingConfig } from './databases.js';
import { DirectoryKeys } from './directory-keys.js';
import { DirectoryNews } from './directory-news.js';
import { Sharding } from './sharding.js';
import { DatabaseMetrics } from './sharding.metrics.js';
import { Tenants } from './tenants.js';

export interface ShardingModuleOptions {
  readonly sharding: ShardingConfig;
  readonly database: DatabaseConfig;
  /** First part of application_name in pg_stat_activity. */
  readonly applicationName: string;
  readonly clock?: Clock;
}

/** Global. Needs the global modules of telemetry, crypto and redis beside it; gives crypto its store of keys. */
@Global()
@Module({})
export class ShardingModule {
  static forRoot({ clock = systemClock, ...config }: ShardingModuleOptions): DynamicModule {
    return {
      module: ShardingModule,
      providers: [
        {
          provide: Databases,
          inject: [Log],
          useFactory: (log: Log) =>
            new Databases({
              ...config,
              clock,
              onIdleError: (database, error) => log.warn('database.connection_lost', { database, error }),
              onBreaker: (database, role, state, error) =>
                log.warn('database.breaker', { database, role, state, error }),
            }),
        },
        { provide: TenantKeyStore, inject: [Databases], useFactory: (d: Databases) => new DirectoryKeys(d) },
        {
          provide: WritePositions,
          inject: [RedisConnections],
          useFactory: (r: RedisConnections) => new WritePositions(r),
        },
        {
          provide: ConsistencyTokens,
          inject: [RootKey],
          useFactory: (root: RootKey) => new ConsistencyTokens(root.derive('consistency-token'), clock),
        },
        {
          provide: Tenants,
          inject: [Databases, RedisConnections],
          useFactory: (d: Databases, r: RedisConnections) => new Tenants(d, clock, new DirectoryNews(r)),
        },
        {
          provide: Sharding,
          inject: [Databases, Tenants, WritePositions, TenantCrypto, Metrics],
          useFactory: (
            databases: Databases,
            tenants: Tenants,
            positions: WritePositions,
            crypto: TenantCrypto,
            metrics: Metrics,
          ) =>
            new Sharding({
              databases,
              tenants,
              positions,
              crypto,
              clock,
              metrics: new DatabaseMetrics(metrics, databases),
              statementTimeoutMs: config.database.statementTimeoutMs,
            }),
        },
      ],
      exports: [Databases, TenantKeyStore, Sharding, ConsistencyTokens],
    };
  }
}
