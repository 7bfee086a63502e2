import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Catalogue } from '#infra/queues';
import { RedisConnections } from '#infra/redis';
import { Sharding } from '#infra/sharding';
import { Log, Metrics } from '#infra/telemetry';
import { FactFeed } from './fact-feed.js';
import { FactLog } from './fact-log.js';

type LogNeeds = [RedisConnections, Sharding, Catalogue, Log, Metrics];
type FeedNeeds = [RedisConnections, FactLog, Log, Metrics];

@Global()
@Module({})
export class RealtimeModule {
  /** Global: FactLog and FactFeed. Needs the modules of telemetry, redis, sharding and queues, the latter with all facts. */
  static forRoot(): DynamicModule {
    return {
      module: RealtimeModule,
      providers: [
        {
          provide: FactLog,
          inject: [RedisConnections, Sharding, Catalogue, Log, Metrics],
          useFactory: (...[redis, sharding, catalogue, log, metrics]: LogNeeds) =>
            new FactLog({ redis, sharding, catalogue, log, metrics }),
        },
        {
          provide: FactFeed,
          inject: [RedisConnections, FactLog, Log, Metrics],
          useFactory: (...[redis, facts, log, metrics]: FeedNeeds) => new FactFeed({ redis, facts, log, metrics }),
        },
      ],
      exports: [FactLog, FactFeed],
    };
  }
}
