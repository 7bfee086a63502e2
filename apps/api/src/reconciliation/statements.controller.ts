import { Controller, Get, Param, Query } from '@nestjs/common';
import type { z } from 'zod';
import {
  type LineKey,
  type NewestKey,
  permissionOf,
  type StatementId,
  StatementsService,
} from '#domain/reconciliation';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, PageQuery, type Paging, presentPage } from '../edge/index.js';
import {
  lineList,
  records,
  rejectedRows,
  statement,
  statementId,
  statementList,
  statements,
} from './reconciliation.dto.js';
import { inCurrency, presentRejectedRow, presentStatement } from './reconciliation.present.js';

const read = { permission: permissionOf['statement.read'], limit: 'read', importance: 'background' } as const;

@Controller('api/v1/reconciliation/statements')
export class ReconciliationStatementsController {
  constructor(private readonly statements: StatementsService) {}

  @Get()
  @Access({
    ...read,
    audit: 'reconciliation.list_statements',
    answers: statements,
    summary: 'Statements, newest first; of one source where it is named',
  })
  async list(
    @Ctx() ctx: TenantContext,
    @Query({ schema: statementList }) { sourceId }: z.infer<typeof statementList>,
    @PageQuery() page: Paging<NewestKey>,
  ) {
    return presentPage(page, await this.statements.list(ctx, page, sourceId ?? null), presentStatement);
  }

  @Get(':statementId')
  @Access({
    ...read,
    audit: 'reconciliation.read_statement',
    answers: statement,
    summary: 'One statement: how far it has come, and what it held',
  })
  async get(@Ctx() ctx: TenantContext, @Param('statementId', { schema: statementId }) id: StatementId) {
    return presentStatement(await this.statements.read(ctx, id));
  }

  @Get(':statementId/records')
  @Access({
    ...read,
    audit: 'reconciliation.read_records',
    answers: records,
    summary: 'The records that a statement brought, in the order of its lines',
  })
  async records(
    @Ctx() ctx: TenantContext,
    @Param('statementId', { schema: statementId }) id: StatementId,
    @Query({ schema: lineList }) _query: z.infer<typeof lineList>,
    @PageQuery() page: Paging<LineKey>,
  ) {
    const found = await this.statements.records(ctx, id, page);
    return presentPage(page, found, inCurrency(found.currency).record);
  }

  @Get(':statementId/rejected-rows')
  @Access({
    ...read,
    audit: 'reconciliation.read_rejected_rows',
    answers: rejectedRows,
    summary: 'The lines of a statement that are no records: why, and as they stand in the file',
  })
  async rejectedRows(
    @Ctx() ctx: TenantContext,
    @Param('statementId', { schema: statementId }) id: StatementId,
    @Query({ schema: lineList }) _query: z.infer<typeof lineList>,
    @PageQuery() page: Paging<LineKey>,
  ) {
    return presentPage(page, await this.statements.rejectedRows(ctx, id, page), presentRejectedRow);
  }
}
