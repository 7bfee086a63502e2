import { type Instant, newId, type Page, type PageRequest } from '#infra/kernel';
import {
  type BulkContext,
  type CopyRow,
  type CopyType,
  type Keyset,
  listed,
  type ReadContext,
  type WriteContext,
} from '#infra/sharding';
import type { LocalDate } from '#infra/time';
import type { SourceId } from './source.js';
import type {
  LineKey,
  ReconRecord,
  RecordId,
  RecordTexts,
  RejectedRow,
  RowRejection,
  StatementId,
} from './statement.js';
import { minorOf } from './statements.repository.js';

/** A record as its row has it: what it says beside day and amount is sealed. */
export interface RecordRow extends Omit<ReconRecord, keyof RecordTexts> {
  readonly sealed: Buffer;
}

/** What is stored of a record beside its place. */
export interface NewRecord {
  readonly id: RecordId;
  readonly line: number;
  readonly date: LocalDate;
  readonly amountMinor: number;
  readonly keyHash: Buffer;
  readonly occurrence: number;
  readonly rowHash: Buffer;
  readonly sealed: Buffer;
}

export interface RejectedRowStored extends Omit<RejectedRow, 'raw'> {
  readonly sealed: Buffer;
}

const byLine: Keyset<LineKey, LineKey> = {
  columns: ['line_no'],
  keyOf: ({ line }) => ({ line }),
  valuesOf: ({ line }) => [line],
};

/** A record that a source has sent before. */
export interface KnownRecord {
  readonly keyHash: Buffer;
  readonly occurrence: number;
  readonly rowHash: Buffer;
}

export interface StoredTotals {
  readonly count: number;
  readonly minor: number;
  readonly firstDate: LocalDate | null;
  readonly lastDate: LocalDate | null;
}

/** Where the records of one COPY belong. */
export interface RecordsOf {
  readonly sourceId: SourceId;
  readonly statementId: StatementId;
  readonly currency: string;
  readonly at: Instant;
}

const inlet: readonly (readonly [column: string, type: CopyType])[] = [
  ['tenant_id', 'uuid'],
  ['id', 'uuid'],
  ['source_id', 'uuid'],
  ['statement_id', 'uuid'],
  ['line_no', 'int'],
  ['business_date', 'date'],
  ['amount_minor', 'bigint'],
  ['currency', 'text'],
  ['key_hash', 'bytea'],
  ['occurrence_no', 'int'],
  ['row_hash', 'bytea'],
  ['content', 'bytea'],
  ['created_at', 'timestamptz'],
];
const inletTypes = inlet.map(([, type]) => type);
const copyRecords = `copy recon_record_inlet (${inlet.map(([column]) => column).join(', ')}) from stdin (format binary)`;

/** Every statement about records and the rows that became none. */
export class RecordsRepository {
  /** How many were taken in: all of them, or the transaction fails. */
  copy(tx: BulkContext, { sourceId, statementId, currency, at }: RecordsOf, records: AsyncIterable<NewRecord>) {
    const tenantId = tx.tenant.id;
    async function* rows(): AsyncGenerator<CopyRow> {
      for await (const r of records)
        yield [
          tenantId,
          r.id,
          sourceId,
          statementId,
          r.line,
          r.date,
          r.amountMinor,
          currency,
          r.keyHash,
          r.occurrence,
          r.rowHash,
          r.sealed,
          at,
        ];
    }
    return tx.db.copyIn(copyRecords, inletTypes, rows());
  }

  /** Look-ups one by one: what a transaction has just loaded has no statistics, and a join would be planned for no rows. */
  async known(tx: ReadContext, keyHashes: readonly Buffer[]): Promise<readonly KnownRecord[]> {
    return tx.db.query<KnownRecord>(
      `select r.key_hash as "keyHash", r.occurrence_no as occurrence, r.row_hash as "rowHash"
         from unnest($2::bytea[]) as k (key)
        cross join lateral (select key_hash, occurrence_no, row_hash from recon_record
                             where tenant_id = $1 and key_hash = k.key offset 0) r`,
      [tx.tenant.id, keyHashes],
    );
  }

  reject(tx: WriteContext, statementId: StatementId, rows: readonly RejectedRowStored[]): void {
    tx.db.send(
      `insert into recon_rejected_row (tenant_id, id, statement_id, line_no, code, raw)
       select $1, r.id, $2, r.line, r.code, r.raw
         from unnest($3::uuid[], $4::int[], $5::text[], $6::bytea[]) as r (id, line, code, raw)`,
      [
        tx.tenant.id,
        statementId,
        rows.map(({ id }) => id),
        rows.map(({ line }) => line),
        rows.map(({ code }) => code),
        rows.map(({ sealed }) => sealed),
      ],
    );
  }

  /** As the tables have it, for comparison with what was counted on the way. */
  async totals(tx: ReadContext, statementId: StatementId): Promise<StoredTotals & { readonly rejected: number }> {
    const [row] = await tx.db.query<Omit<StoredTotals, 'minor'> & { minor: string; rejected: number }>(
      `select count(*)::int as count, coalesce(sum(amount_minor), 0)::bigint as minor, min(business_date) as "firstDate",
              max(business_date) as "lastDate",
              (select count(*)::int from recon_rejected_row where tenant_id = $1 and statement_id = $2) as rejected
         from recon_record where tenant_id = $1 and statement_id = $2`,
      [tx.tenant.id, statementId],
    );
    if (!row) throw new RangeError('an aggregate answers one row');
    return { ...row, minor: minorOf(row.minor) };
  }

  async ofStatement(
    tx: ReadContext,
    statementId: StatementId,
    page: PageRequest<LineKey>,
  ): Promise<Page<RecordRow, LineKey>> {
    const select = `select id, statement_id as "statementId", line_no as line, business_date as date,
        amount_minor as "amountMinor", content as sealed
      from recon_record where tenant_id = $1 and statement_id = $2`;
    const found = await listed<StoredRecord, LineKey>(
      tx.db,
      { select, values: [tx.tenant.id, statementId] },
      byLine,
      page,
    );
    return { ...found, items: found.items.map(withAmount) };
  }

  async rejectedOf(
    tx: ReadContext,
    statementId: StatementId,
    page: PageRequest<LineKey>,
  ): Promise<Page<RejectedRowStored, LineKey>> {
    const select = `select id, line_no as line, code, raw as sealed from recon_rejected_row
      where tenant_id = $1 and statement_id = $2`;
    return listed<RejectedRowStored, LineKey>(tx.db, { select, values: [tx.tenant.id, statementId] }, byLine, page);
  }
}

export type StoredRecord = Omit<RecordRow, 'amountMinor'> & { readonly amountMinor: string };

export const withAmount = <Row extends { readonly amountMinor: string }>(row: Row) => ({
  ...row,
  amountMinor: minorOf(row.amountMinor),
});

export const newRejectedRow = (line: number, code: RowRejection) => ({ id: newId<string>(), line, code });
