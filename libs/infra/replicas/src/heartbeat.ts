import type { QueryConfig } from 'pg';
import { type Clock, type Instant, toDate } from '#infra/kernel';
import { parseWalPosition, type WalPosition } from './lag.js';
import type { NodePool } from './pool.js';

/** What a poll finds on a primary. */
export interface PrimaryPulse {
  /** What is flushed can be replayed; the insert position may point past a page header that no record fills yet. */
  readonly position: WalPosition;
  /** Identifier and timeline of the server. */
  readonly lineage: string;
  /** The newest beat of its row; null where it has none. */
  readonly beatAt: Instant | null;
  /** By how much more than usual its replicas may lag, as its operators say; 1 where nobody says it. */
  readonly lagMultiplier: number;
}

/** What a poll finds on a replica. */
export interface ReplicaPulse {
  readonly position: WalPosition | null;
  /** The newest beat that it has replayed. */
  readonly beatAt: Instant | null;
}

const queryTimeoutMs = 2_000;
/** Clocks of two processes may differ by this much; `beatAndAsk` says the same. */
const aheadMaxMs = 5_000;
/** Polls of a database without the row before it is looked for again. */
const pollsWithout = 60;
/** No such table, no right to it. */
const withoutRow: ReadonlySet<unknown> = new Set(['42P01', '42501']);

/** The name of a file of the log begins with the timeline, eight hexadecimal digits. */
const lineage = `system_identifier || '-' || left(pg_walfile_name(at), 8) as lineage`;
const whereTheLogIs = `
  select at as position, ${lineage}, null::timestamptz as beat, 1 as multiplier
    from pg_current_wal_flush_lsn() as at, pg_control_system()`;

/**
 * $1 now. Of all processes that ask, one a second writes; a standby that is away holds none of them up, nor does somebody
 * who has locked the row. A beat from the future is written anew.
 */
const beatAndAsk = `
  with here as materialized (select set_config('synchronous_commit', 'local', true)),
  due as materialized (
    select id from replica_heartbeat
     where id = 1 and (beat_at <= $1::timestamptz - interval '900 milliseconds' or beat_at > $1::timestamptz + interval '5 seconds')
       for no key update skip locked),
  beat as (update replica_heartbeat h set beat_at = $1 from here, due where h.id = due.id)
  select at as position, ${lineage}, beat_at as beat, lag_multiplier as multiplier
    from pg_current_wal_flush_lsn() as at, pg_control_system(), replica_heartbeat where id = 1`;

const replayed = 'select pg_last_wal_replay_lsn() as position, null::timestamptz as beat';
const replayedBeat = `
  select pg_last_wal_replay_lsn() as position, (select beat_at from replica_heartbeat where id = 1) as beat`;

interface Row {
  readonly position: string | null;
  readonly lineage: string;
  readonly beat: Date | null;
  readonly multiplier: number;
}

/** The row of a primary that changes once a second, and what its replicas have of it. Without such a row: positions alone. */
export class Heartbeat {
  #pollsLeft = 0;

  constructor(private readonly clock: Clock) {}

  async ofPrimary(pool: NodePool): Promise<PrimaryPulse | undefined> {
    const now = this.clock.now();
    this.#pollsLeft = Math.max(0, this.#pollsLeft - 1);
    const asked = this.#pollsLeft > 0 ? undefined : await this.#orNone(ask(pool, beatAndAsk, [toDate(now)]));
    if (asked === undefined && this.#pollsLeft === 0) this.#pollsLeft = pollsWithout;
    const { position, beat, ...row } = asked ?? ((await ask(pool, whereTheLogIs)) as Row);
    if (position === null) return undefined;
    // The row as it was before this beat. One from the future says nothing: some clock was wrong.
    const isSound = beat !== null && beat.getTime() <= now + aheadMaxMs;
    const beatAt = isSound ? Math.max(now, beat.getTime()) : null;
    return { position: parseWalPosition(position), lineage: row.lineage, beatAt, lagMultiplier: row.multiplier };
  }

  /** `beats`: its primary has the row, though the replica may not have replayed even that. */
  async ofReplica(pool: NodePool, beats: boolean): Promise<ReplicaPulse> {
    const asked = beats ? await this.#orNone(ask(pool, replayedBeat)) : undefined;
    const { position, beat } = asked ?? ((await ask(pool, replayed)) as Row);
    return { position: position === null ? null : parseWalPosition(position), beatAt: beat?.getTime() ?? null };
  }

  async #orNone(asked: Promise<Row | undefined>): Promise<Row | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (withoutRow.has((error as { code?: unknown }).code)) return undefined;
      throw error;
    }
  }
}

async function ask(pool: NodePool, text: string, values: readonly unknown[] = []): Promise<Row | undefined> {
  const client = await pool.connect();
  try {
    const { rows } = await client.query(timed(text, values));
    client.release();
    return rows[0] as Row | undefined;
  } catch (error) {
    client.release(!withoutRow.has((error as { code?: unknown }).code));
    throw error;
  }
}

/** pg reads query_timeout of a statement too, though its types know only the connection's. */
const timed = (text: string, values: readonly unknown[]): QueryConfig =>
  Object.assign({ text, values: [...values] }, { query_timeout: queryTimeoutMs });
