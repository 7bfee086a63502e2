import type pg from 'pg';
import { isAppError } from '#infra/kernel';
import { type NodePool, parseWalPosition, type WalPosition } from '#infra/replicas';
import { BulkWire } from './bulk-wire.js';
import type { CopyRow, CopyType } from './copy-rows.js';
import type { BulkDb, WriteDb } from './db.js';
import { fail } from './sharding.errors.js';
import { nameOf, writable } from './statement-form.js';

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** `write unread`: nobody will look for what is written, so that nobody asks where the log stands after it. */
export type Mode = 'read' | 'write' | 'write unread';

export interface Transacted<T> {
  readonly value: T;
  /** Where the log stood right after the commit; null for all but `write`. */
  readonly position: WalPosition | null;
}

const queryCanceled = '57014';
/** What a server in recovery answers to whoever wants to write. */
const readOnly = '25006';
const sqlState = /^[0-9A-Z]{5}$/;
/** What PostgreSQL answers to everything after a failure: aborted, never prepared, savepoint never made. */
const echoes: ReadonlySet<unknown> = new Set(['25P02', '26000', '3B001', 'database.aborted']);
/** The connection's prepared statements no longer fit the server: a plan whose columns changed, a lost name. */
const outOfStep: ReadonlySet<unknown> = new Set(['0A000', '26000']);
/** Stands for a commit whose position could not be asked: further than any replica has replayed. */
const beyondAll: WalPosition = 0xffff_ffff_ffff_ffffn;
const retryAfterMs = 1_000;
const answerGraceMs = 2_000;

/**
 * BEGIN, the entry statement, `fn`, COMMIT on one connection. BEGIN, the entry and the first statements of `fn` leave in
 * one flight; so do the last statements and COMMIT. An error of the entry wins over what it caused. `longestMs`: what the
 * entry allows one statement, where that is not the pool's own limit.
 */
export async function transact<T>(
  pool: NodePool,
  mode: Mode,
  entry: Statement | null,
  fn: (db: WriteDb) => Promise<T>,
  longestMs?: number,
): Promise<Transacted<T>> {
  const client = await pool.connect();
  const put = longestMs === undefined ? pipelined(client) : patient(pipelined(client), longestMs);
  return within({ pool, client, flight: new Flight(timed(pool, put), mode) }, entry, fn);
}

/** As a writing `transact`, on a connection of a pool that is not pipelined: one statement at a time, and COPY. */
export async function transactInBulk<T>(
  pool: NodePool,
  entry: Statement,
  fn: (db: BulkDb) => Promise<T>,
): Promise<Transacted<T>> {
  const client = await pool.connect();
  return within({ pool, client, flight: new BulkFlight(new BulkWire(client), 'write') }, entry, fn);
}

interface Boarded<F extends Flight> {
  readonly pool: NodePool;
  readonly client: pg.PoolClient;
  readonly flight: F;
}

async function within<T, F extends Flight>(
  { pool, client, flight }: Boarded<F>,
  entry: Statement | null,
  fn: (db: F) => Promise<T>,
): Promise<Transacted<T>> {
  const begun = flight.begin();
  const entered = entry ? flight.dispatch(entry.sql, entry.parameters) : begun;
  try {
    const value = await fn(flight);
    const position = await flight.commit();
    expectPrimary(await entered);
    client.release();
    return { value, position };
  } catch (error) {
    const alive = await flight.rollback();
    const refusal = await entered.then(misled, (refused: unknown) => refused);
    const cause = refusal ?? flight.causeOf(error);
    const told = alive ? flight.failureOf(cause) : flight.lossOf(cause);
    client.release(!alive || isAppError(told, 'database.in_doubt') || outOfStep.has(codeOf(cause)));
    if (isAppError(told, 'database.read_only')) pool.renew();
    throw told;
  }
}

/** The entry asked a server in recovery, where it wanted a primary: what was read there may be old. */
const misled = ({ rows: [row] }: pg.QueryResult): unknown =>
  row?.pg_is_in_recovery === true ? readOnlyServer('it is in recovery') : null;

function expectPrimary(entered: pg.QueryResult): void {
  const refusal = misled(entered);
  if (refusal !== null) throw refusal;
}

const readOnlyServer = (cause: unknown) => fail('database.read_only', { cause, retryAfterMs });

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null | undefined)?.code;

/** How a statement reaches the server; statements are answered in the order in which they were put. */
type Put = (query: string | pg.QueryConfig) => Promise<pg.QueryResult>;

/** Statements leave as they come; what is put before the event loop turns shares one packet. */
function pipelined(client: pg.PoolClient): Put {
  const { stream } = (client as unknown as { connection: { stream: NodeJS.WriteStream } }).connection;
  return (query) => {
    stream.cork();
    process.nextTick(() => stream.uncork());
    return client.query(query);
  };
}

/** The pool takes a server for dead 2 s after its own limit; here it may answer later. */
const patient =
  (put: Put, longestMs: number): Put =>
  (query) => {
    const waiting: pg.QueryConfig & { readonly query_timeout: number } = {
      ...(typeof query === 'string' ? { text: query } : query),
      query_timeout: longestMs + answerGraceMs,
    };
    return put(waiting);
  };

const timed =
  (pool: NodePool, put: Put): Put =>
  (query) =>
    pool.timed(put(query));

/** One transaction's statements on one connection. */
class Flight implements WriteDb {
  #failure: unknown;
  /** A statement that never left: the server knows nothing of it and would commit the rest. */
  #unsent: unknown;
  #savepoints = 0;
  #closed = false;
  #inDoubt = false;

  constructor(
    private readonly put: Put,
    private readonly mode: Mode,
  ) {}

  begin(): Promise<pg.QueryResult> {
    return this.dispatch(this.mode === 'read' ? 'begin read only' : 'begin');
  }

  query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.#ask(sql, parameters, ({ rows }) => rows as Row[]);
  }

  execute(sql: string, parameters: readonly unknown[] = []): Promise<number> {
    return this.#ask(sql, parameters, ({ rowCount }) => rowCount ?? 0);
  }

  send(sql: string, parameters: readonly unknown[] = []): void {
    void this.dispatch(sql, parameters);
  }

  async attempt<T>(fn: () => Promise<T | undefined>): Promise<T | undefined> {
    this.#savepoints += 1;
    const name = `attempt_${this.#savepoints}`;
    const unsent = this.#unsent;
    this.send(`savepoint ${name}`);
    try {
      const value = await fn();
      if (value === undefined) void this.#undo(name, unsent);
      else this.send(`release savepoint ${name}`);
      return value;
    } catch (error) {
      const cause = this.causeOf(error);
      await this.#undo(name, unsent);
      throw cause;
    }
  }

  /** Puts a statement on the wire. */
  dispatch(sql: string, parameters?: readonly unknown[]): Promise<pg.QueryResult> {
    this.expectOpen();
    return this.#put(sql, parameters);
  }

  protected expectOpen(): void {
    if (this.#closed) throw fail('database.aborted', { internal: 'a statement came after its transaction’s end' });
  }

  /** Whoever awaits it hears of the failure; the transaction does in any case. */
  protected noted<R>(answered: Promise<R>): Promise<R> {
    answered.catch((error: unknown) => {
      this.#failure ??= error;
    });
    return answered;
  }

  /** Where the log stood right after; null for all but `write`. */
  async commit(): Promise<WalPosition | null> {
    this.#closed = true;
    if (this.#unsent !== undefined) throw this.#unsent;
    this.#inDoubt = this.mode !== 'read';
    const committed = this.#put('commit');
    const position = this.mode === 'write' ? this.#put('select pg_current_wal_insert_lsn() as position') : null;
    const { command } = await committed;
    this.#inDoubt = false;
    // PostgreSQL answers COMMIT of a failed transaction with success and the tag ROLLBACK.
    if (command !== 'COMMIT') throw this.causeOf(fail('database.aborted'));
    if (position === null) return null;
    const rows = (await position.catch(() => null))?.rows as { position: string }[] | undefined;
    return rows?.[0] ? parseWalPosition(rows[0].position) : beyondAll;
  }

  /** Never fails on a live connection: false means that it is lost. */
  rollback(): Promise<boolean> {
    this.#closed = true;
    return this.#put('rollback').then(
      () => true,
      () => false,
    );
  }

  /** The first failure where `error` is only its echo. */
  causeOf(error: unknown): unknown {
    return echoes.has(codeOf(error)) ? (this.#failure ?? error) : error;
  }

  /** What a failure on a live connection means to the caller. In a read-only transaction, writing is a mistake of ours. */
  failureOf(cause: unknown): unknown {
    const code = codeOf(cause);
    if (code === queryCanceled) return fail('database.timeout', { cause });
    if (code === readOnly && this.mode !== 'read') return readOnlyServer(cause);
    const isAnswered = isAppError(cause) || sqlState.test(String(code));
    return this.#inDoubt && !isAnswered ? fail('database.in_doubt', { cause }) : cause;
  }

  /** What a lost connection means to the caller: its own refusal stands, for nothing was committed. */
  lossOf(cause: unknown): unknown {
    if (this.#inDoubt) return fail('database.in_doubt', { cause });
    return isAppError(cause) ? cause : fail('database.lost', { cause, retryAfterMs });
  }

  #ask<T>(sql: string, parameters: readonly unknown[], pick: (result: pg.QueryResult) => T): Promise<T> {
    const asked = (async () => pick(await this.dispatch(sql, parameters)))();
    // Whether or not somebody awaits it, the transaction fails with it.
    asked.catch(() => undefined);
    return asked;
  }

  /** Back to the savepoint: what failed since then is undone with the rest. */
  #undo(name: string, unsent: unknown): Promise<void> {
    this.#unsent = unsent;
    const undone = this.dispatch(`rollback to savepoint ${name}`).then(
      () => {
        this.#failure = undefined;
      },
      () => undefined,
    );
    this.send(`release savepoint ${name}`);
    return undone;
  }

  #put(sql: string, parameters?: readonly unknown[]): Promise<pg.QueryResult> {
    const values = this.#written(parameters);
    return this.noted(this.put(values ? { name: nameOf(sql), text: sql, values } : sql));
  }

  #written(parameters?: readonly unknown[]): unknown[] | undefined {
    try {
      return parameters?.map(writable);
    } catch (error) {
      this.#unsent ??= error;
      throw error;
    }
  }
}

/** One transaction that also takes rows in bulk. */
class BulkFlight extends Flight implements BulkDb {
  constructor(
    private readonly wire: BulkWire,
    mode: Mode,
  ) {
    super((query) => wire.put(query), mode);
  }

  copyIn(sql: string, types: readonly CopyType[], rows: AsyncIterable<CopyRow> | Iterable<CopyRow>): Promise<number> {
    const taken = (async () => {
      this.expectOpen();
      return this.noted(this.wire.copyIn(sql, types, rows));
    })();
    taken.catch(() => undefined);
    return taken;
  }
}
