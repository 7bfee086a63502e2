import { setTimeout as sleep } from 'node:timers/promises';
import { postgresOf, type Run } from '../stack.js';

const everyMs = 100;

export interface Watched<T> {
  readonly value: T;
  readonly samples: number;
  /** Most connections of that name that PostgreSQL had at once. */
  readonly most: number;
  readonly maxConnections: number;
}

/** Counts the tenant's server's connections of an application, every 100 ms while `work` runs. */
export async function watchBackends<T>(own: Run, applicationName: string, work: () => Promise<T>): Promise<Watched<T>> {
  return postgresOf(own).asSuperuser(async (client) => {
    let [samples, most, working] = [0, 0, true];
    const watching = (async () => {
      while (working) {
        const { rows } = await client.query<{ count: number }>(
          `select count(*)::int as count from pg_stat_activity where application_name like $1 || ':%'`,
          [applicationName],
        );
        samples += 1;
        most = Math.max(most, rows[0]?.count ?? 0);
        await sleep(everyMs);
      }
    })();
    const value = await work().finally(() => {
      working = false;
    });
    await watching;
    const { rows } = await client.query<{ max: number }>(`select current_setting('max_connections')::int as max`);
    return { value, samples, most, maxConnections: rows[0]?.max ?? 0 };
  });
}
