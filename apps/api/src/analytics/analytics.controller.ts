import { Controller, Get, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { AnalyticsService, permissionOf as visitPermissionOf } from '#domain/appointments';
import { permissionOf as bookPermissionOf, TakingsService } from '#domain/reconciliation';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx } from '../edge/index.js';
import { tellFreshness } from '../members/freshness.js';
import {
  presentTakings,
  presentVisits,
  takings,
  takingsQuery,
  visitFigures,
  visitFiguresQuery,
} from './analytics.dto.js';

/** Figures, nobody in them: whoever may see them may keep them for five minutes. */
const figures = { audit: 'none', limit: 'read', importance: 'background', caching: { maxAgeS: 300 } } as const;

@Controller('api/v1/analytics')
export class AnalyticsController {
  constructor(
    private readonly analytics: AnalyticsService,
    private readonly takingsOf: TakingsService,
  ) {}

  @Get('appointments')
  @Access({
    ...figures,
    permission: visitPermissionOf['analytics.read'],
    answers: visitFigures,
    refusals: ['analytics.range_invalid'],
    summary: 'Visits by day, in the time of each visit’s location, and by service',
  })
  async appointments(
    @Ctx() ctx: TenantContext,
    @Query({ schema: visitFiguresQuery }) query: z.infer<typeof visitFiguresQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { value, ...origin } = await this.analytics.visits(ctx, query);
    tellFreshness(reply, origin);
    return presentVisits(query, value);
  }

  @Get('takings')
  @Access({
    ...figures,
    permission: bookPermissionOf['takings.read'],
    answers: takings,
    refusals: ['takings.range_invalid', 'takings.too_many_sources', 'takings.sum_too_large'],
    summary: 'What each source’s records of a day add up to; two sources may speak of the same money',
  })
  async takings(
    @Ctx() ctx: TenantContext,
    @Query({ schema: takingsQuery }) query: z.infer<typeof takingsQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { value, ...origin } = await this.takingsOf.takings(ctx, query);
    tellFreshness(reply, origin);
    return presentTakings(query, value);
  }
}
