import { Controller, Get, Query } from '@nestjs/common';
import type { z } from 'zod';
import { Sharding } from '#infra/sharding';
import { Access } from '../edge/index.js';
import { presentSlowQueries, slowQueriesAnswer, slowQueriesQuery } from './slow-queries.dto.js';

type SlowQuery = z.infer<typeof slowQueriesQuery>;
const staff = { permission: 'operations.read', audit: 'none', limit: 'read', answers: slowQueriesAnswer } as const;

/** What the database servers spend their time on: texts of the product's own statements, nobody's data. */
@Controller('api')
export class SlowQueriesController {
  constructor(private readonly sharding: Sharding) {}

  @Get('admin/db/slow-queries')
  @Access({
    ...staff,
    summary: 'The 20 statements of each database server that took longest; one that is away is named',
  })
  async slowQueries(@Query({ schema: slowQueriesQuery }) { order }: SlowQuery) {
    return presentSlowQueries(order, await this.sharding.slowStatements(order));
  }

  @Get('v1/admin/db/slow-queries')
  @Access({ ...staff, summary: 'As /api/admin/db/slow-queries' })
  slowQueriesUnderBase(@Query({ schema: slowQueriesQuery }) query: SlowQuery) {
    return this.slowQueries(query);
  }
}
