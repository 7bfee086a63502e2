import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { postgresOf, type Run } from './stack.js';

/** A connection of the product that waits at a gate, and what it was doing. */
export interface Waiting {
  readonly pid: number;
  readonly query: string;
  /** Rows that its COPY has taken so far; null outside of COPY. */
  readonly copied: number | null;
  /** Tables that its transaction has written to. */
  readonly written: readonly string[];
}

const pollMs = 10;
const arrivalTimeoutMs = 30_000;
/** The role of apps. */
const role = 'praxis_app';

/**
 * Rows or a table that a drill keeps to itself, in a transaction that is never committed: whoever needs them stops at
 * exactly that statement until the gate opens.
 */
export class Gate {
  private constructor(
    private readonly own: Run,
    private readonly client: Client,
    private readonly pid: number,
  ) {}

  /** `statement` takes the locks. */
  static async close(own: Run, statement: string, parameters: readonly unknown[] = []): Promise<Gate> {
    const { host, port, superuser } = postgresOf(own);
    const client = new Client({ host, port, ...superuser, database: own.database });
    await client.connect();
    await client.query('begin');
    await client.query(statement, [...parameters]);
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    return new Gate(own, client, rows[0]?.pid ?? 0);
  }

  /** Resolves when somebody waits here. */
  async arrival(): Promise<Waiting> {
    const endsAt = performance.now() + arrivalTimeoutMs;
    while (performance.now() < endsAt) {
      const [waiting] = await this.#waiting();
      if (waiting !== undefined) return waiting;
      await sleep(pollMs);
    }
    throw new Error('nobody came to the gate');
  }

  async open(): Promise<void> {
    await this.client.end();
  }

  #waiting(): Promise<readonly Waiting[]> {
    return postgresOf(this.own).asSuperuser(async (client) => {
      const { rows } = await client.query<Waiting>(
        `select a.pid, a.query, p.tuples_processed::int as copied,
                array(select distinct relation::regclass::text from pg_locks l join pg_class c on c.oid = l.relation
                       where l.pid = a.pid and l.mode = 'RowExclusiveLock' and c.relkind = 'r' order by 1) as written
           from pg_stat_activity a left join pg_stat_progress_copy p on p.pid = a.pid
          where a.usename = $2 and $1 = any(pg_blocking_pids(a.pid))`,
        [this.pid, role],
      );
      return rows;
    }, this.own.database);
  }
}

/** Resolves when a connection of a process that was killed is gone, and what it had not committed with it. */
export async function goneFrom(own: Run, pid: number): Promise<void> {
  const endsAt = performance.now() + arrivalTimeoutMs;
  while (performance.now() < endsAt) {
    const there = await postgresOf(own).asSuperuser(async (client) => {
      const { rows } = await client.query('select from pg_stat_activity where pid = $1', [pid]);
      return rows.length > 0;
    });
    if (!there) return;
    await sleep(pollMs);
  }
  throw new Error(`the connection ${pid} of a killed process is still there`);
}
