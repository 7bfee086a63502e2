import type pg from 'pg';
import { asAdmin } from './admin.js';
import { fail } from './migration.errors.js';
import { type MigratorOptions, pacingOf } from './options.js';

/** Held while migrations run, in the database `postgres` beside the directory; movers hold it shared. */
export const migrationLockKey = 4_801_120_926;
const usualWaitMs = 600_000;
const pollMs = 1_000;

/** One migration of the whole installation at a time. Waits for another one, or a mover, for `lockWaitMs`, and says for whom. */
export const underMigrationLock = <T>(options: MigratorOptions, work: () => Promise<T>): Promise<T> =>
  asAdmin(options.directory, options, 'postgres', async (client) => {
    await take(client, options);
    return work();
  });

async function take(client: pg.Client, options: MigratorOptions): Promise<void> {
  const { lockWaitMs = usualWaitMs, report } = options;
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [
      migrationLockKey,
    ]);
    if (rows[0]?.taken) return;
    const holder = await holderOf(client);
    if (waitedMs >= lockWaitMs)
      throw fail('migration.under_way', { internal: `${holder} is at work, still after ${lockWaitMs / 1_000} s` });
    if (waitedMs === 0) report(`waiting for ${holder} to end, for ${Math.ceil(lockWaitMs / 1_000)} s at most`);
    await pacingOf(options).sleep(pollMs);
  }
}

async function holderOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ pid: number; name: string }>(
    `select a.pid, coalesce(nullif(a.application_name, ''), 'unnamed') as name
       from pg_locks l join pg_stat_activity a using (pid)
      where l.locktype = 'advisory' and l.granted and (l.classid::bigint << 32) + l.objid::bigint = $1 limit 1`,
    [migrationLockKey],
  );
  return rows[0] ? `${rows[0].name} (server process ${rows[0].pid})` : 'another migrator';
}
