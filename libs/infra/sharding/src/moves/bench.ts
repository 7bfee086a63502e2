import { setTimeout as sleep } from 'node:timers/promises';
import { migrationLockKey } from '../migrating/lock.js';
import type { MovableShard, MoverOptions } from './move.js';
import { MoveRecords, type TenantRow } from './move-records.js';
import { fail } from './moves.errors.js';
import { Session } from './session.js';

const lockAttempts = 15;
const lockPauseMs = 200;

export interface Bench {
  readonly records: MoveRecords;
  readonly tenant: TenantRow;
  /** A further connection to a shard, closed with the others. */
  readonly open: (shard: MovableShard) => Promise<Session>;
}

/**
 * What every verb about a tenant's move begins with: nobody else works on the same tenant, and no migration runs. A mover
 * that was killed a moment ago still holds its lock: it is waited for.
 */
export async function atBench<T>(options: MoverOptions, named: string, work: (bench: Bench) => Promise<T>): Promise<T> {
  const sessions: Session[] = [];
  const kept = async (opening: Promise<Session>): Promise<Session> => {
    const session = await opening;
    sessions.push(session);
    return session;
  };
  try {
    const installation = await kept(Session.open(options.directory, options, 'postgres'));
    await take(installation, 'pg_try_advisory_lock_shared($1::bigint)', migrationLockKey, 'a migration is running');
    const directory = await kept(Session.open(options.directory, options));
    const records = new MoveRecords(directory, options);
    const { id } = await records.tenant(named);
    const lock = `pg_try_advisory_lock(hashtextextended('move ' || $1::text, 0))`;
    await take(directory, lock, id, 'another mover works on this tenant');
    // As it stands now that nobody else moves it.
    const tenant = await records.tenant(id);
    return await work({ records, tenant, open: (shard) => kept(Session.open(shard, options)) });
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
}

async function take(session: Session, call: string, key: string | number, otherwise: string): Promise<void> {
  for (let attempt = 1; attempt <= lockAttempts; attempt += 1) {
    const { taken } = await session.one<{ taken: boolean }>(`select ${call} as taken`, [key]);
    if (taken) return;
    await sleep(lockPauseMs);
  }
  throw fail('move.under_way', { internal: otherwise });
}

/** Throws move.refused for a shard that is not configured here. */
export function shardOf({ shards }: MoverOptions, name: string): MovableShard {
  const shard = shards.find((each) => each.name === name);
  if (!shard) throw fail('move.refused', { internal: `there is no ${name}: its address is not configured here` });
  return shard;
}
