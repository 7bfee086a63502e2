import { Injectable } from '@nestjs/common';
import { isAppError, newId, type TenantContext } from '#infra/kernel';
import { failureCode, mayRetry, type Work } from '#infra/queues';
import type { BulkContext } from '#infra/sharding';
import { Envelopes } from './envelopes.js';
import { Pace } from './pace.js';
import type { ReconciliationParts } from './parts.js';
import { Progress } from './progress.js';
import { fail } from './reconciliation.errors.js';
import { statementCommitted } from './reconciliation.facts.js';
import { ingestStatement } from './reconciliation.jobs.js';
import { KnownRecords, RecordKeys } from './record-keys.js';
import { type NewRecord, newRejectedRow, RecordsRepository } from './records.repository.js';
import type { Source } from './source.js';
import { SourcesRepository } from './sources.repository.js';
import { type ControlTotals, idConflict, type RecordId, type Statement, type StatementId } from './statement.js';
import { FileRefused, type KeyedDraft, type RejectedLine, type Sorted, StatementFile } from './statement-file.js';
import { type Refused, type StatementRow, StatementsRepository } from './statements.repository.js';
import { UploadPartsRepository } from './upload-parts.repository.js';

interface Found {
  readonly statement: StatementRow;
  readonly source: Source;
}

type StatementProgress = Progress<Statement['progress']>;

/**
 * Makes records of a received file in one transaction: opens its parts one by one, reads, maps, seals and copies them,
 * counts, and finishes its job. Stopped anywhere, nothing of it is there, and it can be done again.
 */
@Injectable()
export class StatementIngest {
  readonly #sources = new SourcesRepository();
  readonly #rows = new StatementsRepository();
  readonly #records = new RecordsRepository();
  readonly #parts = new UploadPartsRepository();
  readonly #envelopes: Envelopes;

  constructor(private readonly parts: ReconciliationParts) {
    this.#envelopes = new Envelopes(parts.crypto);
  }

  /** A file that cannot be read ends as `rejected`; what keeps failing in us, as `failed`. */
  async run(ctx: TenantContext, id: StatementId, work: Work): Promise<void> {
    const found = await this.#find(ctx, id);
    if (found.statement.status !== 'received') return;
    const progress: StatementProgress = new Progress((done) =>
      this.parts.sharding.write(ctx, async (tx) => this.#rows.report(tx, id, done), { readBack: false }),
    );
    try {
      await this.parts.sharding.bulk(ctx, (tx) => this.#ingest(tx, found, work, progress));
    } catch (error) {
      await progress.settled();
      const failure = await this.parts.quotas.refusalOf(ctx, error);
      const refused = fileRefusalOf(failure);
      if (refused === null) return await this.#failed(ctx, found.statement, work, failure);
      await this.#refuse(ctx, found.statement, { status: 'rejected', ...refused }, work.finish);
    }
  }

  async #find(ctx: TenantContext, id: StatementId): Promise<Found> {
    return this.parts.sharding.read(ctx, async (tx) => {
      const statement = await this.#rows.read(tx, id);
      const source = statement && (await this.#sources.read(tx, statement.sourceId));
      if (!source) throw fail('statement.not_found');
      return { statement, source };
    });
  }

  async #ingest(tx: BulkContext, { statement, source }: Found, work: Work, progress: StatementProgress): Promise<void> {
    await this.#sources.lock(tx, source.id);
    const current = await this.#rows.read(tx, statement.id);
    if (current?.status !== 'received') return;
    const file = await this.#readFile(tx, { statement: current, source }, work.signal, progress);
    const totals = file.totals();
    await this.#check(tx, statement.id, totals);
    await progress.settled();
    await this.#commit(tx, current, totals);
    await work.finish(tx);
    await this.parts.quotas.release(tx, 'storageBytes', current.bytes);
    if (source.kind === 'pos') await this.parts.quotas.consume(tx, 'orders', totals.accepted.count);
  }

  async #readFile(tx: BulkContext, found: Found, signal: AbortSignal, progress: StatementProgress) {
    const { statement, source } = found;
    const pace = new Pace();
    const file = new StatementFile(source.mapping, new RecordKeys(this.parts.crypto, tx.tenant.id, source.id), pace);
    let bytes = 0;
    for (let partNo = 1; partNo <= statement.parts; partNo += 1) {
      signal.throwIfAborted();
      const part = await this.#part(tx, statement.id, partNo);
      await this.#store(tx, found, file, await file.read(part), pace);
      bytes += part.length;
      progress.tell({ bytes, lines: file.lines });
    }
    if (bytes !== statement.bytes) throw fail('reconciliation.not_conserved', { internal: 'bytes of the parts' });
    await this.#store(tx, found, file, await file.end(), pace);
    return file;
  }

  async #part(tx: BulkContext, id: StatementId, partNo: number): Promise<Buffer> {
    const part = await this.#parts.read(tx, id, partNo);
    if (!part) throw fail('reconciliation.not_conserved', { internal: `part ${partNo} of ${id} is missing` });
    return this.#envelopes.openPart(tx, part.id, part.sealed);
  }

  /** Rows that the source has not sent before become records; a row with a known id that says something new is rejected. */
  async #store(tx: BulkContext, found: Found, file: StatementFile, { drafts, rejected }: Sorted, pace: Pace) {
    const known = new KnownRecords(await this.#known(tx, drafts));
    const fresh: KeyedDraft[] = [];
    const refused: RejectedLine[] = [...rejected];
    for (const each of drafts) {
      const verdict = known.verdictOn(each.key);
      if (verdict === 'new') fresh.push(each);
      else if (verdict === 'duplicate') file.duplicate(each.draft);
      else refused.push({ line: each.draft.line, code: idConflict, raw: each.raw });
    }
    for (const { draft } of fresh) file.accept(draft);
    for (const _ of refused) file.reject();
    await this.#copy(tx, found, fresh, pace);
    await this.#keepRejected(tx, found.statement.id, refused, pace);
  }

  async #known(tx: BulkContext, drafts: readonly KeyedDraft[]) {
    return drafts.length === 0
      ? []
      : this.#records.known(
          tx,
          drafts.map(({ key }) => key.keyHash),
        );
  }

  async #copy(tx: BulkContext, { statement, source }: Found, fresh: readonly KeyedDraft[], pace: Pace): Promise<void> {
    if (fresh.length === 0) return;
    const place = {
      sourceId: source.id,
      statementId: statement.id,
      currency: source.currency,
      at: this.parts.clock.now(),
    };
    const copied = await this.#records.copy(tx, place, this.#sealed(tx, fresh, pace));
    if (copied !== fresh.length)
      throw fail('reconciliation.not_conserved', { internal: `${copied} of ${fresh.length} rows were taken` });
  }

  async *#sealed(ctx: TenantContext, fresh: readonly KeyedDraft[], pace: Pace): AsyncGenerator<NewRecord> {
    for (const { draft, key } of fresh) {
      const id = newId<RecordId>();
      const sealed = await this.#envelopes.sealRecord(ctx, id, draft);
      yield { id, line: draft.line, date: draft.date, amountMinor: draft.amountMinor, ...key, sealed };
      if (pace.isDue) await pace.rest();
    }
  }

  async #keepRejected(tx: BulkContext, id: StatementId, refused: readonly RejectedLine[], pace: Pace): Promise<void> {
    if (refused.length === 0) return;
    const rows = [];
    for (const { line, code, raw } of refused) {
      const row = newRejectedRow(line, code);
      rows.push({ ...row, sealed: await this.#envelopes.sealRaw(tx, row.id, raw) });
      if (pace.isDue) await pace.rest();
    }
    this.#records.reject(tx, id, rows);
  }

  /** What was counted while the rows passed by is what the tables hold now. */
  async #check(tx: BulkContext, id: StatementId, totals: ControlTotals): Promise<void> {
    const stored = await this.#records.totals(tx, id);
    const agree =
      stored.count === totals.accepted.count &&
      stored.minor === totals.accepted.minor &&
      stored.rejected === totals.rejected.count &&
      stored.firstDate === totals.firstDate &&
      stored.lastDate === totals.lastDate &&
      totals.accepted.count + totals.duplicates.count + totals.rejected.count === totals.lines;
    if (!agree) throw fail('reconciliation.not_conserved', { internal: `control totals of ${id}` });
  }

  async #commit(tx: BulkContext, { id, sourceId }: StatementRow, totals: ControlTotals): Promise<void> {
    const [accepted, duplicate, rejected] = [totals.accepted.count, totals.duplicates.count, totals.rejected.count];
    this.#rows.commit(tx, id, totals, this.parts.clock.now());
    const fact = { statementId: id, sourceId, accepted, duplicates: duplicate, rejected };
    await this.parts.outbox.append(tx, statementCommitted.entry(sourceId, fact));
    await this.parts.audit.record(tx, { action: 'reconciliation.commit', resourceType: 'statement', resourceId: id });
    tx.afterCommit(() => this.parts.metrics.ingested({ accepted, duplicate, rejected }));
  }

  /** The last failure of a job leaves a word on the statement, so that nobody waits for it. */
  async #failed(ctx: TenantContext, statement: StatementRow, work: Work, error: unknown): Promise<never> {
    if (work.attempt >= ingestStatement.attempts || !mayRetry(error))
      await this.#refuse(
        ctx,
        statement,
        { status: 'failed', code: failureCode(error), columns: [] },
        async () => undefined,
      );
    throw error;
  }

  async #refuse(
    ctx: TenantContext,
    { id, bytes }: StatementRow,
    refused: Refused,
    finish: Work['finish'],
  ): Promise<void> {
    await this.parts.sharding.write(ctx, async (tx) => {
      const isNew = await this.#rows.refuse(tx, id, refused, this.parts.clock.now());
      if (isNew)
        await this.parts.audit.record(tx, {
          action: 'reconciliation.refuse',
          resourceType: 'statement',
          resourceId: id,
          outcome: 'failure',
        });
      await finish(tx);
      if (isNew) await this.parts.quotas.release(tx, 'storageBytes', bytes);
    });
  }
}

/** Null where the file is not to blame. One with more records than the plan has room for may be sent again. */
function fileRefusalOf(error: unknown): Pick<Refused, 'code' | 'columns'> | null {
  if (error instanceof FileRefused) return { code: error.code, columns: error.columns };
  return isAppError(error, 'quota.exceeded') ? { code: 'quota_exceeded', columns: [] } : null;
}
