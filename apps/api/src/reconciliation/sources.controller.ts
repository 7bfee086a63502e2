import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import {
  type NewestKey,
  permissionOf,
  type SourceId,
  SourcesService,
  statementLimits,
  UploadService,
} from '#domain/reconciliation';
import type { TenantContext } from '#infra/kernel';
import {
  Access,
  BodyBytes,
  type BodyStream,
  Ctx,
  PageQuery,
  type Paging,
  presentPage,
  TellKnown,
} from '../edge/index.js';
import { newSource, source, sourceId, sourceList, sources, statement } from './reconciliation.dto.js';
import { presentSource, presentStatement } from './reconciliation.present.js';

const read = { permission: permissionOf['source.read'], limit: 'read', importance: 'background' } as const;
/** Just below what Node gives a whole request. */
const uploadDeadlineMs = 60_000;

@Controller('api/v1/reconciliation/sources')
export class ReconciliationSourcesController {
  constructor(
    private readonly sources: SourcesService,
    private readonly uploads: UploadService,
  ) {}

  @Get()
  @Access({ ...read, audit: 'reconciliation.list_sources', answers: sources, summary: 'Sources, newest first' })
  async list(
    @Ctx() ctx: TenantContext,
    @Query({ schema: sourceList }) _query: z.infer<typeof sourceList>,
    @PageQuery() page: Paging<NewestKey>,
  ) {
    return presentPage(page, await this.sources.list(ctx, page), presentSource);
  }

  @Post()
  @Access({
    permission: permissionOf['source.create'],
    audit: 'reconciliation.create_source',
    limit: 'write',
    idempotency: 'accepted',
    status: 201,
    answers: source,
    refusals: ['source.code_taken'],
    summary: 'Name a source of records and say how its files are read',
  })
  async create(@Ctx() ctx: TenantContext, @Body({ schema: newSource }) body: z.infer<typeof newSource>) {
    return presentSource(await this.sources.create(ctx, body));
  }

  @Get(':sourceId')
  @Access({ ...read, audit: 'reconciliation.read_source', answers: source, summary: 'One source' })
  async get(@Ctx() ctx: TenantContext, @Param('sourceId', { schema: sourceId }) id: SourceId) {
    return presentSource(await this.sources.read(ctx, id));
  }

  /** Takes no Idempotency-Key: the same bytes for the same source are the same statement, however often they are sent. */
  @Post(':sourceId/statements')
  @Access({
    permission: permissionOf['statement.upload'],
    audit: 'reconciliation.upload',
    limit: 'uploads',
    receives: 'csv',
    bodyLimitBytes: statementLimits.fileBytes,
    bodyDeadlineMs: uploadDeadlineMs,
    status: 202,
    known: 'The source had sent these bytes before: the statement that they are, and nothing new',
    answers: statement,
    refusals: ['statement.empty'],
    summary: 'Send a CSV file of a source; its lines become records in the background',
  })
  async upload(
    @Ctx() ctx: TenantContext,
    @Param('sourceId', { schema: sourceId }) id: SourceId,
    @BodyBytes() bytes: BodyStream,
    @TellKnown() tellKnown: () => void,
  ) {
    const { statement: received, known } = await this.uploads.receive(ctx, id, bytes);
    if (known) tellKnown();
    return presentStatement(received);
  }
}
