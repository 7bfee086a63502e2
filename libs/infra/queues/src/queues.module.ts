import { type DynamicModule, Global, Module } from '@nestjs/common';
import { type Clock, systemClock } from '#infra/kernel';
import { RedisConnections } from '#infra/redis';
import { Log } from '#infra/telemetry';
import { Catalogue, type CatalogueWords } from './catalogue.js';
import { Nudge } from './nudge.js';
import { Outbox } from './outbox.js';

@Global()
@Module({})
export class QueuesModule {
  /** Global: the Outbox and the closed Catalogue that it checks against. Needs the modules of telemetry and redis. */
  static forRoot(words: CatalogueWords, clock: Clock = systemClock): DynamicModule {
    return {
      module: QueuesModule,
      providers: [
        { provide: Catalogue, useValue: new Catalogue(words) },
        {
          provide: Nudge,
          inject: [RedisConnections, Log],
          useFactory: (redis: RedisConnections, log: Log) => new Nudge(redis, log),
        },
        {
          provide: Outbox,
          inject: [Catalogue, Nudge],
          useFactory: (catalogue: Catalogue, nudge: Nudge) => new Outbox(catalogue, nudge, clock),
        },
      ],
      exports: [Catalogue, Outbox],
    };
  }
}
