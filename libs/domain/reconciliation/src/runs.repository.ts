import { type Instant, newId, type Page, type PageRequest, toDate } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, type WriteContext } from '#infra/sharding';
import type { LocalDate } from '#infra/time';
import { actorIdOf } from './actor.js';
import type { Rung } from './ladder.js';
import {
  type LegId,
  type NewRun,
  type Run,
  type RunId,
  type RunPhase,
  runLimits,
  type Side,
  type SideTotals,
} from './run.js';
import type { NewestKey, SourceId } from './source.js';
import type { StatementId } from './statement.js';
import { minorOf } from './statements.repository.js';

/** A run as its row has it. */
export interface RunRow extends Omit<Run, 'statements'> {
  readonly statementIds: readonly StatementId[];
  /** Its place among the completed runs of its leg. */
  readonly ordinal: number | null;
}

/** What a run is made of. */
export interface RunDraft extends NewRun {
  readonly id: RunId;
  readonly legId: LegId;
  readonly statementIds: readonly StatementId[];
  readonly fingerprint: Buffer;
  readonly createdAt: Instant;
}

export interface RunResult {
  readonly ordinal: number;
  readonly matches: number;
  readonly totals: Readonly<Record<Side, SideTotals>>;
}

type StoredTotals = Readonly<
  Record<`${Side}${'' | 'Matched' | 'Open'}Count`, number | null> &
    Record<`${Side}${'' | 'Matched' | 'Open'}Minor`, string | null>
>;

interface Stored extends StoredTotals {
  readonly id: RunId;
  readonly legId: LegId;
  readonly currency: string;
  readonly leftSourceId: SourceId;
  readonly rightSourceId: SourceId;
  readonly ladder: readonly Rung[];
  readonly from: LocalDate | null;
  readonly to: LocalDate | null;
  readonly statementIds: readonly StatementId[];
  readonly status: Run['status'];
  readonly phase: RunPhase;
  readonly done: string;
  readonly total: string;
  readonly ordinal: number | null;
  readonly matches: number | null;
  readonly failure: string | null;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
}

const columns = `r.id, r.leg_id as "legId", o.currency, r.left_source_id as "leftSourceId",
  r.right_source_id as "rightSourceId", r.ladder, r.date_from as "from", r.date_to as "to",
  r.statement_ids as "statementIds", r.status, r.phase, r.done, r.total, r.ordinal, r.matches,
  r.left_count as "leftCount", r.left_minor as "leftMinor",
  r.left_matched_count as "leftMatchedCount", r.left_matched_minor as "leftMatchedMinor",
  r.left_open_count as "leftOpenCount", r.left_open_minor as "leftOpenMinor",
  r.right_count as "rightCount", r.right_minor as "rightMinor",
  r.right_matched_count as "rightMatchedCount", r.right_matched_minor as "rightMatchedMinor",
  r.right_open_count as "rightOpenCount", r.right_open_minor as "rightOpenMinor",
  r.failure, r.created_at as "createdAt", r.ended_at as "endedAt"`;
const from = 'recon_run r join recon_source o on o.tenant_id = r.tenant_id and o.id = r.left_source_id';
const newestFirst: Keyset<Stored, NewestKey> = {
  columns: ['r.id'],
  descending: true,
  keyOf: ({ id }) => ({ id }),
  valuesOf: ({ id }) => [id],
};

/** Every statement about legs and runs. */
export class RunsRepository {
  /** The leg of two sources, the same from either side; made when it is first asked for. */
  async leg(tx: WriteContext, one: SourceId, other: SourceId, at: Instant): Promise<LegId> {
    const sources = [one, other].sort();
    tx.db.send(
      `insert into recon_leg (tenant_id, id, low_source_id, high_source_id, created_at) values ($1, $2, $3, $4, $5)
       on conflict on constraint recon_leg_once do nothing`,
      [tx.tenant.id, newId(), ...sources, toDate(at)],
    );
    const [leg] = await tx.db.query<{ id: LegId }>(
      'select id from recon_leg where tenant_id = $1 and low_source_id = $2 and high_source_id = $3',
      [tx.tenant.id, ...sources],
    );
    if (!leg) throw new RangeError('a leg that was made is there');
    return leg.id;
  }

  /** Waits for another run of the leg to end; runs can be asked for meanwhile. */
  async lockLeg(tx: WriteContext, id: LegId): Promise<void> {
    await tx.db.query('select from recon_leg where tenant_id = $1 and id = $2 for no key update', [tx.tenant.id, id]);
  }

  /** In the order of their ids, one more than a run takes where there are more. */
  async committed(tx: ReadContext, sourceId: SourceId): Promise<readonly StatementId[]> {
    const rows = await tx.db.query<{ id: StatementId }>(
      `select id from recon_statement where tenant_id = $1 and source_id = $2 and status = 'committed'
        order by id limit $3`,
      [tx.tenant.id, sourceId, runLimits.statements + 1],
    );
    return rows.map(({ id }) => id);
  }

  /** How many records a run's statements have. */
  async recordsOf(tx: ReadContext, { statementIds }: Pick<RunRow, 'statementIds'>): Promise<number> {
    const [row] = await tx.db.query<{ records: number }>(
      `select coalesce(sum(accepted_count), 0)::int as records from recon_statement
        where tenant_id = $1 and id = any($2::uuid[])`,
      [tx.tenant.id, statementIds],
    );
    return row?.records ?? 0;
  }

  /** False where a run of the same sources, ladder, days and statements is there already. */
  async insert(tx: WriteContext, run: RunDraft): Promise<boolean> {
    const inserted = await tx.db.execute(
      `insert into recon_run (tenant_id, id, leg_id, left_source_id, right_source_id, ladder, date_from, date_to,
         statement_ids, fingerprint, status, phase, created_by, created_at)
       values ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, 'pending', 'waiting', $11, $12)
       on conflict (tenant_id, fingerprint) where status <> 'failed' do nothing`,
      [
        tx.tenant.id,
        run.id,
        run.legId,
        run.leftSourceId,
        run.rightSourceId,
        JSON.stringify(run.ladder),
        run.from,
        run.to,
        run.statementIds,
        run.fingerprint,
        actorIdOf(tx),
        toDate(run.createdAt),
      ],
    );
    return inserted === 1;
  }

  async read(tx: ReadContext, id: RunId): Promise<RunRow | undefined> {
    const sql = `select ${columns} from ${from} where r.tenant_id = $1 and r.id = $2`;
    return (await tx.db.query<Stored>(sql, [tx.tenant.id, id])).map(rowOf)[0];
  }

  async ofFingerprint(tx: ReadContext, fingerprint: Buffer): Promise<RunRow | undefined> {
    const sql = `select ${columns} from ${from} where r.tenant_id = $1 and r.fingerprint = $2 and r.status <> 'failed'`;
    return (await tx.db.query<Stored>(sql, [tx.tenant.id, fingerprint])).map(rowOf)[0];
  }

  /** Newest first. */
  async list(tx: ReadContext, page: PageRequest<NewestKey>): Promise<Page<RunRow, NewestKey>> {
    const select = `select ${columns} from ${from} where r.tenant_id = $1`;
    const found = await listed(tx.db, { select, values: [tx.tenant.id] }, newestFirst, page);
    return { ...found, items: found.items.map(rowOf) };
  }

  /** Only while it waits to be completed. */
  report(tx: WriteContext, id: RunId, { phase, done, total }: Run['progress']): void {
    tx.db.send(
      `update recon_run set phase = $3, done = $4, total = $5
        where tenant_id = $1 and id = $2 and status = 'pending'`,
      [tx.tenant.id, id, phase, done, total],
    );
  }

  /** Counts the leg's completed runs; the caller holds the leg. */
  async nextOrdinal(tx: WriteContext, legId: LegId): Promise<number> {
    const [leg] = await tx.db.query<{ runs: number }>(
      'update recon_leg set runs = runs + 1 where tenant_id = $1 and id = $2 returning runs',
      [tx.tenant.id, legId],
    );
    if (!leg) throw new RangeError('a leg is never removed');
    return leg.runs;
  }

  complete(tx: WriteContext, id: RunId, { ordinal, matches, totals }: RunResult, at: Instant): void {
    tx.db.send(
      `update recon_run set status = 'completed', phase = 'done', done = total, ordinal = $3, matches = $4, ended_at = $5,
              left_count = $6, left_minor = $7, left_matched_count = $8, left_matched_minor = $9,
              left_open_count = $10, left_open_minor = $11,
              right_count = $12, right_minor = $13, right_matched_count = $14, right_matched_minor = $15,
              right_open_count = $16, right_open_minor = $17
        where tenant_id = $1 and id = $2 and status = 'pending'`,
      [tx.tenant.id, id, ordinal, matches, toDate(at), ...valuesOf(totals.left), ...valuesOf(totals.right)],
    );
  }

  /** False where it is no longer pending. */
  async fail(tx: WriteContext, id: RunId, failure: string, at: Instant): Promise<boolean> {
    const failed = await tx.db.execute(
      `update recon_run set status = 'failed', failure = $3, ended_at = $4
        where tenant_id = $1 and id = $2 and status = 'pending'`,
      [tx.tenant.id, id, failure, toDate(at)],
    );
    return failed === 1;
  }
}

const valuesOf = ({ all, matched, open }: SideTotals): readonly number[] =>
  [all, matched, open].flatMap(({ count, minor }) => [count, minor]);

const rowOf = (row: Stored): RunRow => ({
  id: row.id,
  legId: row.legId,
  currency: row.currency,
  leftSourceId: row.leftSourceId,
  rightSourceId: row.rightSourceId,
  ladder: row.ladder,
  from: row.from,
  to: row.to,
  statementIds: row.statementIds,
  status: row.status,
  progress: { phase: row.phase, done: Number(row.done), total: Number(row.total) },
  ordinal: row.ordinal,
  matches: row.matches,
  totals: row.status === 'completed' ? { left: totalsOf(row, 'left'), right: totalsOf(row, 'right') } : null,
  failure: row.failure,
  createdAt: row.createdAt.getTime(),
  endedAt: row.endedAt?.getTime() ?? null,
});

function totalsOf(row: StoredTotals, side: Side): SideTotals {
  const part = (name: '' | 'Matched' | 'Open') => ({
    count: row[`${side}${name}Count`] ?? 0,
    minor: minorOf(row[`${side}${name}Minor`] ?? '0'),
  });
  return { all: part(''), matched: part('Matched'), open: part('Open') };
}
