import { Module } from '@nestjs/common';
import { ServerHealth } from '#infra/health';
import { systemClock } from '#infra/kernel';
import { RedisConnections } from '#infra/redis';
import { Sharding } from '#infra/sharding';
import { CacheStatsController } from './cache-stats.controller.js';
import { LimitsController } from './limits.controller.js';
import { ServersController } from './servers.controller.js';
import { SlowQueriesController } from './slow-queries.controller.js';

@Module({
  controllers: [ServersController, CacheStatsController, LimitsController, SlowQueriesController],
  providers: [
    {
      provide: ServerHealth,
      inject: [Sharding, RedisConnections],
      useFactory: (sharding: Sharding, redis: RedisConnections) =>
        new ServerHealth({ sharding, redis, clock: systemClock }),
    },
  ],
})
export class OperationsApiModule {}
