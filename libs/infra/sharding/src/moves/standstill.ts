import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '#infra/kernel';
import { fail } from './moves.errors.js';
import { codeOf, type Session } from './session.js';

/** Whoever comes while the lock is waited for waits behind it: this long at most. */
const lockTimeoutMs = 200;
/** A transaction this old is waited for without asking for the lock. */
const oldMs = 1_000;
/** Between two attempts writers go on. */
const waitMs = { first: 100, most: 1_000 };
const lockNotAvailable = '55P03';

const tenantKey = `hashtextextended($1::text, 0)`;
const systemKey = `hashtextextended('system workers', 0)`;

/** How long transactions that hold, shared, one of the two locks have been running. */
const oldest = `
select a.pid, a.application_name as name, extract(epoch from clock_timestamp() - a.xact_start)::float8 * 1000 as "ageMs"
  from pg_locks l join pg_stat_activity a on a.pid = l.pid
  cross join lateral (select unnest(array[${tenantKey}, ${systemKey}]) as key) k
 where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and a.pid <> pg_backend_pid()
   and l.database = (select oid from pg_database where datname = current_database())
   and l.classid = ((k.key >> 32) & 4294967295)::oid and l.objid = (k.key & 4294967295)::oid
 order by a.xact_start limit 1`;

interface Holder {
  readonly pid: number;
  readonly name: string;
  readonly ageMs: number | null;
}

export interface Patience {
  readonly patienceMs: number;
  readonly signal: AbortSignal | undefined;
  /** Hears how long whoever came had to wait, at each attempt. */
  readonly paused: (pauseMs: number) => void;
}

/**
 * Runs `work` while nobody is inside a transaction of the tenant, nor a system worker inside one, on the shard of
 * `session`; those who come wait for its end. Throws move.no_standstill when a transaction does not end within the
 * patience. What the session commits inside was written under the locks: they end with it.
 */
export async function atStandstill<T>(
  session: Session,
  tenantId: string,
  { patienceMs, signal, paused }: Patience,
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly pauseMs: number }> {
  const endsAt = monotonicMs() + patienceMs;
  for (let wait = waitMs.first; ; wait = Math.min(2 * wait, waitMs.most)) {
    signal?.throwIfAborted();
    const holder = await oldestHolder(session, tenantId);
    if ((holder?.ageMs ?? 0) < oldMs) {
      const startedAt = monotonicMs();
      try {
        if (await lock(session, tenantId)) return { value: await work(), pauseMs: monotonicMs() - startedAt };
      } finally {
        await session.query('select pg_advisory_unlock_all()');
        paused(monotonicMs() - startedAt);
      }
    }
    if (monotonicMs() > endsAt) throw noStandstill(holder);
    await sleep(wait);
  }
}

async function oldestHolder(session: Session, tenantId: string): Promise<Holder | undefined> {
  const [holder] = await session.query<Holder>(oldest, [tenantId]);
  return holder;
}

/** System workers first: their transactions are short. */
async function lock(session: Session, tenantId: string): Promise<boolean> {
  await session.query(`set lock_timeout = ${lockTimeoutMs}`);
  try {
    await session.query(`select pg_advisory_lock(${systemKey})`);
    await session.query(`select pg_advisory_lock(${tenantKey})`, [tenantId]);
    return true;
  } catch (error) {
    if (codeOf(error) === lockNotAvailable) return false;
    throw error;
  } finally {
    await session.query('reset lock_timeout');
  }
}

const noStandstill = (holder: Holder | undefined) =>
  fail('move.no_standstill', {
    internal: holder
      ? `process ${holder.pid} (${holder.name}) has been in a transaction for ${Math.round((holder.ageMs ?? 0) / 1000)} s`
      : 'transactions kept coming',
  });
