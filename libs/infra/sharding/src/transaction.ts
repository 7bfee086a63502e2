import type pg from 'pg';
import { formatWalPosition, type NodePool, parseWalPosition, type WalPosition } from '#infra/replicas';
import type { WriteDb } from './db.js';
import { fail } from './sharding.errors.js';

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

export interface Transacted<T> {
  readonly value: T;
  /** Where the log stood right after the commit; null for reads. */
  readonly position: WalPosition | null;
}

const inFailedTransaction = '25P02';
const queryCanceled = '57014';

/**
 * BEGIN, the entry statement, `fn`, COMMIT on one connection. BEGIN, the entry and the first statements of `fn` leave in
 * one flight; so do the last statements and COMMIT. An error of the entry wins over what it caused.
 */
export async function transact<T>(
  pool: NodePool,
  mode: 'read' | 'write',
  entry: Statement | null,
  fn: (db: WriteDb) => Promise<T>,
): Promise<Transacted<T>> {
  const client = await pool.connect();
  const flight = new Flight(client);
  const begun = flight.dispatch(mode === 'read' ? 'begin read only' : 'begin');
  const entered = entry ? flight.dispatch(entry.sql, entry.parameters) : begun;
  try {
    const value = await fn(flight);
    const position = await commit(flight, mode);
    client.release();
    return { value, position };
  } catch (error) {
    const refused = await entered.then(
      () => null,
      (refusal: unknown) => refusal,
    );
    await flight.dispatch('rollback').then(
      () => client.release(),
      () => client.release(true),
    );
    throw translate(refused ?? flight.causeOf(error));
  }
}

async function commit(flight: Flight, mode: 'read' | 'write'): Promise<WalPosition | null> {
  const committed = flight.dispatch('commit');
  const position = mode === 'write' ? flight.dispatch('select pg_current_wal_insert_lsn() as position') : null;
  // PostgreSQL answers COMMIT of a failed transaction with success and the tag ROLLBACK.
  if ((await committed).command !== 'COMMIT') throw flight.causeOf(fail('database.aborted'));
  const rows = (await position?.catch(() => null))?.rows as { position: string }[] | undefined;
  return rows?.[0] ? parseWalPosition(rows[0].position) : null;
}

function translate(error: unknown): unknown {
  return (error as { code?: unknown })?.code === queryCanceled ? fail('database.timeout', { cause: error }) : error;
}

/** One transaction's statements on a pipelined connection: sent as they come, answered in order. */
class Flight implements WriteDb {
  #failure: unknown;
  #savepoints = 0;

  constructor(private readonly client: pg.PoolClient) {}

  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return (await this.dispatch(sql, parameters)).rows as Row[];
  }

  async execute(sql: string, parameters: readonly unknown[] = []): Promise<number> {
    return (await this.dispatch(sql, parameters)).rowCount ?? 0;
  }

  send(sql: string, parameters: readonly unknown[] = []): void {
    void this.dispatch(sql, parameters);
  }

  async attempt<T>(fn: () => Promise<T | undefined>): Promise<T | undefined> {
    this.#savepoints += 1;
    const name = `attempt_${this.#savepoints}`;
    this.send(`savepoint ${name}`);
    try {
      const value = await fn();
      this.send(value === undefined ? `rollback to savepoint ${name}` : `release savepoint ${name}`);
      return value;
    } catch (error) {
      await this.dispatch(`rollback to savepoint ${name}`);
      this.#failure = undefined;
      throw error;
    }
  }

  /** Puts a statement on the wire; what is sent before the event loop turns shares one packet. */
  dispatch(sql: string, parameters?: readonly unknown[]): Promise<pg.QueryResult> {
    const { stream } = (this.client as unknown as { connection: { stream: NodeJS.WriteStream } }).connection;
    stream.cork();
    process.nextTick(() => stream.uncork());
    const answered = parameters
      ? this.client.query({ name: nameOf(sql), text: sql, values: parameters as unknown[] })
      : this.client.query(sql);
    answered.catch((error: unknown) => {
      this.#failure ??= error;
    });
    return answered;
  }

  /** The first failure where `error` is only its echo. */
  causeOf(error: unknown): unknown {
    const echo = (error as { code?: unknown })?.code;
    return echo === inFailedTransaction || echo === 'database.aborted' ? (this.#failure ?? error) : error;
  }
}

const namesMax = 1_000;
const names = new Map<string, string>();

/** Prepared-statement name of a text, the same in every connection of the process; texts beyond the limit go unnamed. */
function nameOf(sql: string): string | undefined {
  const known = names.get(sql);
  if (known !== undefined || names.size >= namesMax) return known;
  const name = `p${names.size + 1}`;
  names.set(sql, name);
  return name;
}

export interface Entry {
  readonly tenantId: string;
  readonly epoch: number;
  /** Cancels any statement that runs longer; null leaves the connection's own limit. */
  readonly timeoutMs: number | null;
  /** For a replica: the log position that it must have replayed. */
  readonly after: WalPosition | null;
}

/** The first statement of a tenant's transaction. */
export function entering({ tenantId, epoch, timeoutMs, after }: Entry): Statement {
  const timeout = `set_config('statement_timeout', $3, true)`;
  if (after !== null)
    return {
      sql: `select enter_tenant_after($1, $2, $4), ${timeout}`,
      parameters: [tenantId, epoch, String(timeoutMs ?? 0), formatWalPosition(after)],
    };
  if (timeoutMs === null) return { sql: 'select enter_tenant($1, $2)', parameters: [tenantId, epoch] };
  return { sql: `select enter_tenant($1, $2), ${timeout}`, parameters: [tenantId, epoch, String(timeoutMs)] };
}
