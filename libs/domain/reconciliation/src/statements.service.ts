import { Injectable } from '@nestjs/common';
import type { Page, PageRequest, TenantContext } from '#infra/kernel';
import { Envelopes } from './envelopes.js';
import type { ReconciliationParts } from './parts.js';
import { fail } from './reconciliation.errors.js';
import { demand } from './reconciliation.policy.js';
import { RecordsRepository } from './records.repository.js';
import type { NewestKey, SourceId } from './source.js';
import { SourcesRepository } from './sources.repository.js';
import type { LineKey, ReconRecord, RejectedRow, Statement, StatementId } from './statement.js';
import { presentStatement } from './statement-reading.js';
import { StatementsRepository } from './statements.repository.js';

/** Files and what became of them. What their lines say is opened for whoever may read, and each reading is recorded. */
@Injectable()
export class StatementsService {
  readonly #sources = new SourcesRepository();
  readonly #rows = new StatementsRepository();
  readonly #records = new RecordsRepository();
  readonly #envelopes: Envelopes;

  constructor(private readonly parts: Pick<ReconciliationParts, 'sharding' | 'audit' | 'crypto'>) {
    this.#envelopes = new Envelopes(parts.crypto);
  }

  async read(ctx: TenantContext, id: StatementId): Promise<Statement> {
    demand(ctx, 'statement.read');
    const row = await this.parts.sharding.read(ctx, (tx) => this.#rows.read(tx, id));
    if (!row) throw fail('statement.not_found');
    const statement = await presentStatement(this.#envelopes, ctx, row);
    await this.#recordRead(ctx, 'reconciliation.read_statement', id);
    return statement;
  }

  /** Newest first; of one source where it is named. */
  async list(
    ctx: TenantContext,
    page: PageRequest<NewestKey>,
    sourceId: SourceId | null,
  ): Promise<Page<Statement, NewestKey>> {
    demand(ctx, 'statement.read');
    const found = await this.parts.sharding.read(
      ctx,
      async (tx) => {
        if (sourceId !== null && !(await this.#sources.read(tx, sourceId))) throw fail('source.not_found');
        return this.#rows.list(tx, page, sourceId);
      },
      { from: 'replica' },
    );
    const items = await Promise.all(found.items.map((row) => presentStatement(this.#envelopes, ctx, row)));
    await this.#recordRead(ctx, 'reconciliation.list_statements');
    return { ...found, items };
  }

  /** In the order of their lines. */
  async records(
    ctx: TenantContext,
    id: StatementId,
    page: PageRequest<LineKey>,
  ): Promise<Page<ReconRecord, LineKey> & { readonly currency: string }> {
    demand(ctx, 'statement.read');
    const { currency, found } = await this.parts.sharding.read(ctx, async (tx) => {
      const statement = await this.#rows.read(tx, id);
      if (!statement) throw fail('statement.not_found');
      return { currency: statement.currency, found: await this.#records.ofStatement(tx, id, page) };
    });
    const items = await Promise.all(
      found.items.map(async ({ sealed, ...row }) => ({
        ...row,
        ...(await this.#envelopes.openRecord(ctx, row.id, sealed)),
      })),
    );
    await this.#recordRead(ctx, 'reconciliation.read_records', id, items);
    return { ...found, items, currency };
  }

  /** In the order of their lines. */
  async rejectedRows(
    ctx: TenantContext,
    id: StatementId,
    page: PageRequest<LineKey>,
  ): Promise<Page<RejectedRow, LineKey>> {
    demand(ctx, 'statement.read');
    const found = await this.parts.sharding.read(ctx, async (tx) => {
      if (!(await this.#rows.read(tx, id))) throw fail('statement.not_found');
      return this.#records.rejectedOf(tx, id, page);
    });
    const items = await Promise.all(
      found.items.map(async ({ sealed, ...row }) => ({
        ...row,
        raw: await this.#envelopes.openRaw(ctx, row.id, sealed),
      })),
    );
    await this.#recordRead(ctx, 'reconciliation.read_rejected_rows', id, items);
    return { ...found, items };
  }

  async #recordRead(
    ctx: TenantContext,
    action: string,
    id?: StatementId,
    shown: readonly { readonly id: string }[] = [],
  ): Promise<void> {
    const resource = { resourceType: 'statement', ...(id === undefined ? {} : { resourceId: id }) };
    await this.parts.audit.recordRead(ctx, { action, ...resource, subjectIds: shown.map((each) => each.id) });
  }
}
