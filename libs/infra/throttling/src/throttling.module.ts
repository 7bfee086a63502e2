import { type DynamicModule, Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { systemClock } from '#infra/kernel';
import { RedisConnections } from '#infra/redis';
import { Sharding } from '#infra/sharding';
import { Log, Metrics } from '#infra/telemetry';
import { Limits } from './limits.js';
import { TenantBlocks } from './tenant-blocks.js';
import { TenantNetworks } from './tenant-networks.js';
import { RedisThrottlerStorage } from './throttler-storage.js';
import type { ThrottlingConfig } from './throttling.config.js';

@Module({})
export class ThrottlingModule {
  /** Global. Needs the modules of redis, telemetry, sharding and audit beside it. */
  static forRoot(config: ThrottlingConfig): DynamicModule {
    return {
      module: ThrottlingModule,
      global: true,
      providers: [
        {
          provide: TenantNetworks,
          inject: [Sharding, Audit],
          useFactory: (sharding: Sharding, audit: Audit) => new TenantNetworks({ sharding, audit, clock: systemClock }),
        },
        {
          provide: Limits,
          inject: [RedisConnections, Log, Metrics, TenantNetworks],
          useFactory: (redis: RedisConnections, log: Log, metrics: Metrics, networks: TenantNetworks) =>
            new Limits({ config, redis, log, metrics, networks }),
        },
        {
          provide: TenantBlocks,
          inject: [Limits, TenantNetworks, Audit],
          useFactory: ({ blocks }: Limits, networks: TenantNetworks, audit: Audit) =>
            new TenantBlocks({ blocks, networks, audit }),
        },
        {
          provide: RedisThrottlerStorage,
          inject: [RedisConnections, Log],
          useFactory: (redis: RedisConnections, log: Log) =>
            new RedisThrottlerStorage({ redis, log, nodes: config.expectedNodes, deadlineMs: config.deadlineMs }),
        },
      ],
      exports: [Limits, TenantNetworks, TenantBlocks, RedisThrottlerStorage],
    };
  }
}
