import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import {
  type DatedKey,
  type MatchId,
  type NewestKey,
  permissionOf,
  type RunId,
  RunsService,
} from '#domain/reconciliation';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, PageQuery, type Paging, presentPage, TellKnown } from '../edge/index.js';
import { matches, matchList, newRun, openList, openRecords, run, runId, runList, runs } from './reconciliation.dto.js';
import { inCurrency, presentRun } from './reconciliation.present.js';

const read = { permission: permissionOf['run.read'], limit: 'read', importance: 'background' } as const;
const ofResult = ['run.not_completed'] as const;

@Controller('api/v1/reconciliation/runs')
export class ReconciliationRunsController {
  constructor(private readonly runs: RunsService) {}

  @Get()
  @Access({ ...read, audit: 'reconciliation.list_runs', answers: runs, summary: 'Runs, newest first' })
  async list(
    @Ctx() ctx: TenantContext,
    @Query({ schema: runList }) _query: z.infer<typeof runList>,
    @PageQuery() page: Paging<NewestKey>,
  ) {
    return presentPage(page, await this.runs.list(ctx, page), presentRun);
  }

  @Post()
  @Access({
    permission: permissionOf['run.start'],
    audit: 'reconciliation.start_run',
    limit: 'write',
    idempotency: 'accepted',
    status: 202,
    known: 'A run of the same sources, ladder, days and statements is there: it, and nothing new',
    answers: run,
    refusals: ['run.one_source', 'run.currencies_differ', 'run.nothing_committed', 'run.too_many_statements'],
    summary: 'Match the records of two sources in the background; what was matched before stays matched',
  })
  async start(
    @Ctx() ctx: TenantContext,
    @Body({ schema: newRun }) body: z.infer<typeof newRun>,
    @TellKnown() tellKnown: () => void,
  ) {
    const { run: started, known } = await this.runs.start(ctx, body);
    if (known) tellKnown();
    return presentRun(started);
  }

  @Get(':runId')
  @Access({
    ...read,
    audit: 'reconciliation.read_run',
    answers: run,
    summary: 'One run: how far it has come, and what each side’s records add up to',
  })
  async get(@Ctx() ctx: TenantContext, @Param('runId', { schema: runId }) id: RunId) {
    return presentRun(await this.runs.read(ctx, id));
  }

  @Get(':runId/matches')
  @Access({
    ...read,
    audit: 'reconciliation.read_matches',
    answers: matches,
    refusals: ofResult,
    summary: 'The matches that a run found',
  })
  async matches(
    @Ctx() ctx: TenantContext,
    @Param('runId', { schema: runId }) id: RunId,
    @Query({ schema: matchList }) _query: z.infer<typeof matchList>,
    @PageQuery() page: Paging<{ readonly id: MatchId }>,
  ) {
    const found = await this.runs.matches(ctx, id, page);
    return presentPage(page, found, inCurrency(found.currency).match);
  }

  @Get(':runId/unmatched')
  @Access({
    ...read,
    audit: 'reconciliation.read_unmatched',
    answers: openRecords,
    refusals: ofResult,
    summary: 'The records of one side of which something was open when the run had ended, by day',
  })
  async unmatched(
    @Ctx() ctx: TenantContext,
    @Param('runId', { schema: runId }) id: RunId,
    @Query({ schema: openList }) { side }: z.infer<typeof openList>,
    @PageQuery() page: Paging<DatedKey>,
  ) {
    const found = await this.runs.unmatched(ctx, id, side, page);
    return presentPage(page, found, inCurrency(found.currency).openRecord);
  }
}
