import { Module } from '@nestjs/common';
import { Cache } from '#infra/cache';
import { Sharding } from '#infra/sharding';
import { TakingsService } from './takings.service.js';

/** Beside ReconciliationModule, which works without a cache. */
@Module({
  providers: [
    {
      provide: TakingsService,
      inject: [Sharding, Cache],
      useFactory: (sharding: Sharding, cache: Cache) => new TakingsService(sharding, cache),
    },
  ],
  exports: [TakingsService],
})
export class TakingsModule {}
