import { type Instant, newId, type Page, type PageRequest, toDate } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, type WriteContext } from '#infra/sharding';
import { mappingLimits } from './mapping.js';
import { type RecordRow, type StoredRecord, withAmount } from './records.repository.js';
import type { DatedKey, LegId, Match, MatchedRecord, MatchId, RunId, Side, SideTotals } from './run.js';
import type { RunRow } from './runs.repository.js';
import type { RecordId } from './statement.js';
import { minorOf } from './statements.repository.js';

/** A match as it is stored: both sides give the same. */
export interface NewMatch {
  readonly id: MatchId;
  readonly rung: number;
  readonly key: Buffer;
  readonly allocatedMinor: number;
  readonly left: { readonly id: RecordId; readonly amountMinor: number };
  readonly right: { readonly id: RecordId; readonly amountMinor: number };
}

export interface MatchesOf {
  readonly legId: LegId;
  readonly runId: RunId;
  readonly ordinal: number;
  readonly at: Instant;
}

/** One side's sums, and how many of its records have other cents matched and open than they have. */
export interface Books extends SideTotals {
  readonly broken: number;
}

export type OpenRow = RecordRow & { readonly openMinor: number };

const [firstDay, lastDay] = [mappingLimits.firstDate, mappingLimits.lastDate];

/** A run's records of one side: $1 tenant, $2 source, $3 statements, $4 and $5 days. */
const inScope = `r.tenant_id = $1 and r.source_id = $2 and r.statement_id = any($3::uuid[])
  and r.business_date between $4 and $5`;
type RunScope = Pick<RunRow, 'leftSourceId' | 'rightSourceId' | 'statementIds' | 'from' | 'to'>;
const scopeOf = (tx: ReadContext, run: RunScope, side: Side): readonly unknown[] => [
  tx.tenant.id,
  side === 'left' ? run.leftSourceId : run.rightSourceId,
  run.statementIds,
  run.from ?? firstDay,
  run.to ?? lastDay,
];

/**
 * What is left of a record `r` on the leg $6. A look-up for each record: what a transaction has just
 * written has no statistics, and a join would be planned for no rows.
 */
const stateOf = `left join lateral
  (select open_minor, amount_minor, ordinal from recon_leg_state
    where tenant_id = $1 and leg_id = $6 and record_id = r.id offset 0) s on true`;

const unmatchedBatch = 5_000;
const cursorOf = (name: string) => ({
  declare: `declare ${name} no scroll cursor for
    select r.id, r.statement_id as "statementId", r.line_no as line, r.business_date as date,
           r.amount_minor as "amountMinor", r.content as sealed
      from recon_record r ${stateOf}
     where ${inScope} and s.ordinal is null order by r.business_date, r.id`,
  fetch: `fetch ${unmatchedBatch} from ${name}`,
  close: `close ${name}`,
});
const unmatchedCursor: Readonly<Record<Side, ReturnType<typeof cursorOf>>> = {
  left: cursorOf('unmatched_left'),
  right: cursorOf('unmatched_right'),
};

/** Every statement about what is matched and what is open. */
export class MatchesRepository {
  /** Records that nothing of the leg has matched yet, by day and id, some thousand at a time. */
  async *unmatched(tx: WriteContext, run: RunRow, side: Side): AsyncGenerator<readonly RecordRow[]> {
    const { declare, fetch, close } = unmatchedCursor[side];
    await tx.db.execute(declare, [...scopeOf(tx, run, side), run.legId]);
    for (let rows = await tx.db.query<StoredRecord>(fetch); rows.length > 0; rows = await tx.db.query(fetch))
      yield rows.map(withAmount);
    await tx.db.execute(close);
  }

  /** Matches, their lines, and what they leave open. */
  async insert(tx: WriteContext, of: MatchesOf, matches: readonly NewMatch[]): Promise<void> {
    const { legId, runId, ordinal, at } = of;
    const [tenantId, time] = [tx.tenant.id, toDate(at)];
    const ids = matches.map(({ id }) => id);
    const allocated = matches.map(({ allocatedMinor }) => allocatedMinor);
    await tx.db.execute(
      `insert into recon_match (tenant_id, id, leg_id, run_id, rung, match_key, created_at)
       select $1, m.id, $2, $3, m.rung, m.key, $4 from unnest($5::uuid[], $6::smallint[], $7::bytea[]) as m (id, rung, key)`,
      [tenantId, legId, runId, time, ids, matches.map(({ rung }) => rung), matches.map(({ key }) => key)],
    );
    for (const side of ['left', 'right'] as const) {
      const records = matches.map((match) => match[side].id);
      await tx.db.execute(
        `insert into recon_match_line (tenant_id, id, match_id, leg_id, side, record_id, allocated_minor)
         select $1, l.id, l.match_id, $2, $3, l.record_id, l.allocated
           from unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::bigint[]) as l (id, match_id, record_id, allocated)`,
        [tenantId, legId, side, matches.map(() => newId()), ids, records, allocated],
      );
      await tx.db.execute(
        `insert into recon_leg_state (tenant_id, id, leg_id, record_id, amount_minor, open_minor, ordinal)
         select $1, s.id, $2, s.record_id, s.amount, s.amount - s.allocated, $3
           from unnest($4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[]) as s (id, record_id, amount, allocated)`,
        [
          tenantId,
          legId,
          ordinal,
          matches.map(() => newId()),
          records,
          matches.map((match) => match[side].amountMinor),
          allocated,
        ],
      );
    }
  }

  /** As records, lines and states have it, each read for itself. */
  async books(tx: ReadContext, run: RunRow, side: Side): Promise<Books> {
    const [row] = await tx.db.query<Record<keyof Books, unknown> & Record<string, string>>(
      `select count(*)::int as "allCount", coalesce(sum(r.amount_minor), 0)::bigint as "allMinor",
              (count(*) filter (where s.open_minor = 0))::int as "matchedCount",
              coalesce(sum(l.allocated), 0)::bigint as "matchedMinor",
              (count(*) filter (where s.open_minor is distinct from 0))::int as "openCount",
              coalesce(sum(coalesce(s.open_minor, r.amount_minor)), 0)::bigint as "openMinor",
              (count(*) filter (where coalesce(l.allocated, 0) + coalesce(s.open_minor, r.amount_minor) <> r.amount_minor
                 or s.amount_minor <> r.amount_minor))::int as broken
         from recon_record r ${stateOf}
         left join lateral (select sum(allocated_minor) as allocated from recon_match_line
                             where tenant_id = $1 and leg_id = $6 and record_id = r.id) l on true
        where ${inScope}`,
      [...scopeOf(tx, run, side), run.legId],
    );
    const part = (name: string) => ({
      count: Number(row?.[`${name}Count`]),
      minor: minorOf(String(row?.[`${name}Minor`])),
    });
    return { all: part('all'), matched: part('matched'), open: part('open'), broken: Number(row?.broken) };
  }

  /** What both sides gave to a run's matches, and of how many matches these are not the same. */
  async balance(tx: ReadContext, runId: RunId): Promise<{ readonly matches: number; readonly uneven: number }> {
    const [row] = await tx.db.query<{ matches: number; uneven: number }>(
      `select count(*)::int as matches, (count(*) filter (where "left" is distinct from "right"))::int as uneven
         from recon_match m
         cross join lateral (select sum(allocated_minor) filter (where side = 'left') as "left",
                                    sum(allocated_minor) filter (where side = 'right') as "right"
                               from recon_match_line where tenant_id = $1 and match_id = m.id) l
        where m.tenant_id = $1 and m.run_id = $2`,
      [tx.tenant.id, runId],
    );
    return row ?? { matches: 0, uneven: 0 };
  }

  /** In the order in which they were found. */
  async ofRun(
    tx: ReadContext,
    runId: RunId,
    page: PageRequest<{ readonly id: MatchId }>,
  ): Promise<Page<Match, { readonly id: MatchId }>> {
    const select = `select m.id, m.rung, ll.allocated_minor as "allocatedMinor",
        ${recordJson('lr')} as "left", ${recordJson('rr')} as "right"
      from recon_match m
      join recon_match_line ll on ll.tenant_id = m.tenant_id and ll.match_id = m.id and ll.side = 'left'
      join recon_match_line rl on rl.tenant_id = m.tenant_id and rl.match_id = m.id and rl.side = 'right'
      join recon_record lr on lr.tenant_id = m.tenant_id and lr.id = ll.record_id
      join recon_record rr on rr.tenant_id = m.tenant_id and rr.id = rl.record_id
     where m.tenant_id = $1 and m.run_id = $2`;
    const found = await listed(tx.db, { select, values: [tx.tenant.id, runId] }, asFound, page);
    return { ...found, items: found.items.map(matchOf) };
  }

  /** Records of which something was open when the run had ended, by day and id. */
  async openAfter(
    tx: ReadContext,
    run: RunScope & Pick<RunRow, 'legId' | 'ordinal'>,
    side: Side,
    page: PageRequest<DatedKey>,
  ): Promise<Page<OpenRow, DatedKey>> {
    const select = `select r.id, r.statement_id as "statementId", r.line_no as line, r.business_date as date,
        r.amount_minor as "amountMinor",
        case when s.ordinal <= $7 then s.open_minor else r.amount_minor end as "openMinor", r.content as sealed
      from recon_record r ${stateOf}
     where ${inScope} and (s.ordinal is null or s.ordinal > $7 or s.open_minor <> 0)`;
    const values = [...scopeOf(tx, run, side), run.legId, run.ordinal];
    const found = await listed(tx.db, { select, values }, byDay, page);
    return { ...found, items: found.items.map((row) => ({ ...withAmount(row), openMinor: minorOf(row.openMinor) })) };
  }
}

type StoredOpen = StoredRecord & { readonly openMinor: string };

const byDay: Keyset<StoredOpen, DatedKey> = {
  columns: ['r.business_date', 'r.id'],
  keyOf: ({ date, id }) => ({ date, id }),
  valuesOf: ({ date, id }) => [date, id],
};

const asFound: Keyset<StoredMatch, { readonly id: MatchId }> = {
  columns: ['m.id'],
  keyOf: ({ id }) => ({ id }),
  valuesOf: ({ id }) => [id],
};

interface StoredMatch {
  readonly id: MatchId;
  readonly rung: number;
  readonly allocatedMinor: string;
  readonly left: MatchedRecord;
  readonly right: MatchedRecord;
}

/** Amounts stand within ±2^53−1, which JSON keeps exactly. */
const recordJson = (alias: string): string =>
  `json_build_object('recordId', ${alias}.id, 'statementId', ${alias}.statement_id, 'line', ${alias}.line_no,
     'date', ${alias}.business_date, 'amountMinor', ${alias}.amount_minor)`;

const matchOf = (row: StoredMatch): Match => ({ ...row, allocatedMinor: minorOf(row.allocatedMinor) });
