import { Controller, Get, Query } from '@nestjs/common';
import type { z } from 'zod';
import { Cache } from '#infra/cache';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx } from '../edge/index.js';
import { cacheStatsAnswer, cacheStatsQuery, presentCacheStats } from './operations.dto.js';
import { fail } from './operations.errors.js';

type StatsQuery = z.infer<typeof cacheStatsQuery>;
const stats = {
  permission: 'operations.read',
  audit: 'none',
  limit: 'read',
  answers: cacheStatsAnswer,
  refusals: ['company.unknown'],
} as const;

/** What the cache of this process did, by strategy and tier, and for the caller's own company. */
@Controller('api')
export class CacheStatsController {
  constructor(private readonly cache: Cache) {}

  @Get('admin/cache/stats')
  @Access({ ...stats, summary: 'What this process has seen of the cache, by strategy and tier' })
  stats(@Ctx() ctx: TenantContext, @Query({ schema: cacheStatsQuery }) { companyId }: StatsQuery) {
    if (companyId !== undefined && companyId !== ctx.tenant.id) throw fail('company.unknown');
    return presentCacheStats(this.cache.stats(ctx));
  }

  @Get('v1/admin/cache/stats')
  @Access({ ...stats, summary: 'As /api/admin/cache/stats' })
  statsUnderBase(@Ctx() ctx: TenantContext, @Query({ schema: cacheStatsQuery }) query: StatsQuery) {
    return this.stats(ctx, query);
  }
}
