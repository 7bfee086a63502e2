import { addMinor, type Instant, type Page, type PageRequest, toDate } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, violatedConstraint, type WriteContext } from '#infra/sharding';
import type { LocalDate } from '#infra/time';
import { actorIdOf } from './actor.js';
import { fail } from './reconciliation.errors.js';
import type { NewestKey, SourceId } from './source.js';
import type { ControlTotals, FileRefusal, Statement, StatementId } from './statement.js';

/** A statement as its row has it: the digest of its bytes is sealed. */
export interface StatementRow extends Omit<Statement, 'sha256'> {
  readonly parts: number;
  readonly digest: Buffer | null;
}

/** What is known when the last byte has arrived. */
export interface ReceivedFile {
  readonly bytes: number;
  readonly parts: number;
  readonly contentHash: Buffer;
  readonly digest: Buffer;
}

/** `code` is a word of `fileRefusals`, or that of our own failure. */
export interface Refused {
  readonly status: 'rejected' | 'failed';
  readonly code: FileRefusal | (string & {});
  readonly columns: readonly string[];
}

interface Stored {
  readonly id: StatementId;
  readonly sourceId: SourceId;
  readonly currency: string;
  readonly status: StatementRow['status'];
  readonly bytes: string;
  readonly parts: number;
  readonly digest: Buffer | null;
  readonly doneBytes: string;
  readonly doneLines: number;
  readonly lines: number | null;
  readonly blankLines: number;
  readonly acceptedCount: number;
  readonly acceptedMinor: string;
  readonly duplicateCount: number;
  readonly duplicateMinor: string;
  readonly rejectedCount: number;
  readonly firstDate: LocalDate | null;
  readonly lastDate: LocalDate | null;
  readonly refusal: string | null;
  readonly refusedColumns: string[] | null;
  readonly createdAt: Date;
  readonly receivedAt: Date | null;
  readonly endedAt: Date | null;
}

const columns = `s.id, s.source_id as "sourceId", o.currency, s.status, s.bytes, s.parts, s.digest,
  s.done_bytes as "doneBytes", s.done_lines as "doneLines", s.lines, s.blank_lines as "blankLines",
  s.accepted_count as "acceptedCount", s.accepted_minor as "acceptedMinor",
  s.duplicate_count as "duplicateCount", s.duplicate_minor as "duplicateMinor", s.rejected_count as "rejectedCount",
  s.first_date as "firstDate", s.last_date as "lastDate", s.refusal, s.refused_columns as "refusedColumns",
  s.created_at as "createdAt", s.received_at as "receivedAt", s.ended_at as "endedAt"`;
const from = 'recon_statement s join recon_source o on o.tenant_id = s.tenant_id and o.id = s.source_id';

const lists = {
  all: `select ${columns} from ${from} where s.tenant_id = $1`,
  ofSource: `select ${columns} from ${from} where s.tenant_id = $1 and s.source_id = $2`,
} as const;
const newestFirst: Keyset<Stored, NewestKey> = {
  columns: ['s.id'],
  descending: true,
  keyOf: ({ id }) => ({ id }),
  valuesOf: ({ id }) => [id],
};

/** Every statement (of SQL) about statements (of sources). */
export class StatementsRepository {
  open(tx: WriteContext, id: StatementId, sourceId: SourceId, at: Instant): void {
    tx.db.send(
      `insert into recon_statement (tenant_id, id, source_id, status, created_by, created_at)
       values ($1, $2, $3, 'receiving', $4, $5)`,
      [tx.tenant.id, id, sourceId, actorIdOf(tx), toDate(at)],
    );
  }

  /** Undefined, to be undone with its attempt, where the same bytes are here already. */
  async close(tx: WriteContext, id: StatementId, file: ReceivedFile, at: Instant): Promise<true | undefined> {
    const closing = tx.db.execute(
      `update recon_statement set status = 'received', bytes = $3, parts = $4, content_hash = $5, digest = $6,
              received_at = $7
        where tenant_id = $1 and id = $2 and status = 'receiving'`,
      [tx.tenant.id, id, file.bytes, file.parts, file.contentHash, file.digest, toDate(at)],
    );
    const closed = await closing.catch((error: unknown) => {
      if (violatedConstraint(error) === 'recon_statement_once') return null;
      throw error;
    });
    if (closed === 0) throw fail('statement.not_found', { internal: 'the upload was given up meanwhile' });
    return closed === null ? undefined : true;
  }

  /** An upload that did not end, or brought nothing new; one that has ended stays, also where nobody knows that yet. */
  discard(tx: WriteContext, id: StatementId): void {
    tx.db.send(
      `with gone as (
         delete from recon_statement where tenant_id = $1 and id = $2 and status = 'receiving' returning id
       )
       delete from recon_upload_part p using gone where p.tenant_id = $1 and p.statement_id = gone.id`,
      [tx.tenant.id, id],
    );
  }

  async read(tx: ReadContext, id: StatementId): Promise<StatementRow | undefined> {
    const sql = `select ${columns} from ${from} where s.tenant_id = $1 and s.id = $2`;
    return (await tx.db.query<Stored>(sql, [tx.tenant.id, id])).map(rowOf)[0];
  }

  /** The one that holds these bytes already. */
  async ofContent(tx: ReadContext, sourceId: SourceId, contentHash: Buffer): Promise<StatementRow | undefined> {
    const rows = await tx.db.query<Stored>(
      `select ${columns} from ${from}
        where s.tenant_id = $1 and s.source_id = $2 and s.content_hash = $3 and s.status in ('received', 'committed')`,
      [tx.tenant.id, sourceId, contentHash],
    );
    return rows.map(rowOf)[0];
  }

  /** Newest first. */
  async list(
    tx: ReadContext,
    page: PageRequest<NewestKey>,
    sourceId: SourceId | null,
  ): Promise<Page<StatementRow, NewestKey>> {
    const listing =
      sourceId === null
        ? { select: lists.all, values: [tx.tenant.id] }
        : { select: lists.ofSource, values: [tx.tenant.id, sourceId] };
    const found = await listed(tx.db, listing, newestFirst, page);
    return { ...found, items: found.items.map(rowOf) };
  }

  /** Only while it waits to be committed. */
  report(tx: WriteContext, id: StatementId, done: Statement['progress']): void {
    tx.db.send(
      `update recon_statement set done_bytes = $3, done_lines = $4
        where tenant_id = $1 and id = $2 and status = 'received'`,
      [tx.tenant.id, id, done.bytes, done.lines],
    );
  }

  commit(tx: WriteContext, id: StatementId, totals: ControlTotals, at: Instant): void {
    const { lines, blankLines, accepted, duplicates, rejected, firstDate, lastDate } = totals;
    tx.db.send(
      `update recon_statement set status = 'committed', done_bytes = bytes, done_lines = $3, lines = $3, blank_lines = $4,
              accepted_count = $5, accepted_minor = $6, duplicate_count = $7, duplicate_minor = $8, rejected_count = $9,
              first_date = $10, last_date = $11, ended_at = $12
        where tenant_id = $1 and id = $2 and status = 'received'`,
      [
        tx.tenant.id,
        id,
        lines,
        blankLines,
        accepted.count,
        accepted.minor,
        duplicates.count,
        duplicates.minor,
        rejected.count,
        firstDate,
        lastDate,
        toDate(at),
      ],
    );
    this.#removeParts(tx, id);
  }

  /** False where it is no longer waiting. */
  async refuse(tx: WriteContext, id: StatementId, { status, code, columns: named }: Refused, at: Instant) {
    const refused = await tx.db.execute(
      `update recon_statement set status = $3, refusal = $4, refused_columns = $5, ended_at = $6
        where tenant_id = $1 and id = $2 and status = 'received'`,
      [tx.tenant.id, id, status, code, named, toDate(at)],
    );
    if (refused === 1) this.#removeParts(tx, id);
    return refused === 1;
  }

  #removeParts(tx: WriteContext, id: StatementId): void {
    tx.db.send('delete from recon_upload_part where tenant_id = $1 and statement_id = $2', [tx.tenant.id, id]);
  }
}

const rowOf = (row: Stored): StatementRow => ({
  id: row.id,
  sourceId: row.sourceId,
  currency: row.currency,
  status: row.status,
  bytes: Number(row.bytes),
  parts: row.parts,
  digest: row.digest,
  progress: { bytes: Number(row.doneBytes), lines: row.doneLines },
  totals: totalsOf(row),
  refusal: row.refusal === null ? null : { code: row.refusal, columns: row.refusedColumns ?? [] },
  createdAt: row.createdAt.getTime(),
  receivedAt: row.receivedAt?.getTime() ?? null,
  endedAt: row.endedAt?.getTime() ?? null,
});

const totalsOf = ({ lines, ...row }: Stored): ControlTotals | null =>
  lines === null
    ? null
    : {
        lines,
        blankLines: row.blankLines,
        accepted: { count: row.acceptedCount, minor: minorOf(row.acceptedMinor) },
        duplicates: { count: row.duplicateCount, minor: minorOf(row.duplicateMinor) },
        rejected: { count: row.rejectedCount },
        firstDate: row.firstDate,
        lastDate: row.lastDate,
      };

/** PostgreSQL's bigint as an amount; throws MoneyOverflow beyond ±2^53−1. */
export const minorOf = (bigint: string): number => addMinor(Number(bigint), 0);
