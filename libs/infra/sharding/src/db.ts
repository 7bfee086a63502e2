import type { Context, TenantContext } from '#infra/kernel';
import type { CopyRow, CopyType } from './copy-rows.js';

/** Rows come back with timestamptz as Date, date as 'YYYY-MM-DD' text, bigint and numeric as text, bytea as Buffer. */
export interface ReadDb {
  /** One statement. Statements sent without awaiting each other travel in one flight and run in order. */
  query<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
}

export interface WriteDb extends ReadDb {
  /** One statement; the number of rows it changed. */
  execute(sql: string, parameters?: readonly unknown[]): Promise<number>;
  /**
   * One statement whose rows nobody needs: it travels with whatever is sent next, and when it fails the transaction
   * fails with its error.
   */
  send(sql: string, parameters?: readonly unknown[]): void;
  /** Runs `fn` under a savepoint; where it answers undefined, all it wrote is undone and its locks are freed. */
  attempt<T>(fn: () => Promise<T | undefined>): Promise<T | undefined>;
}

export interface BulkDb extends WriteDb {
  /**
   * Rows into what a `copy … from stdin (format binary)` names, whose columns are of these types; how many it took. The
   * table has no row-level security (PostgreSQL refuses COPY there): a view with an INSTEAD OF trigger stands before a
   * tenant's table. Rows are asked for as fast as the server takes them; whoever makes them must not use the transaction.
   */
  copyIn(sql: string, types: readonly CopyType[], rows: AsyncIterable<CopyRow> | Iterable<CopyRow>): Promise<number>;
}

/** A Context inside one tenant's transaction: the only place where a repository finds a database. */
export interface ReadContext extends TenantContext {
  readonly db: ReadDb;
}
export interface WriteContext extends TenantContext {
  readonly db: WriteDb;
  /** Runs `fn` when, and only when, the transaction has committed: for nudges and invalidations that may be lost. */
  afterCommit(fn: () => void): void;
}

export interface BulkContext extends WriteContext {
  readonly db: BulkDb;
}

/** A system worker inside one database, as role praxis_relay: it sees the rows of every tenant in the tables named for it. */
export interface SystemContext extends Context {
  readonly database: string;
  readonly db: WriteDb;
}

export interface ReadOptions {
  /** `replica` where the newest write of this user may be waited for but the newest of others need not be seen. */
  readonly from?: 'primary' | 'replica';
  /** Longest run of one statement, where the request has as long; `DB_STATEMENT_TIMEOUT` unless said otherwise. */
  readonly statementTimeoutMs?: number;
}

/** For figures over many rows. */
export const figuresTimeoutMs = 60_000;

export interface WriteOptions {
  /** False where the writer's own reads need not see it, so that they may still go to a replica: records of reading. */
  readonly readBack?: boolean;
}

/**
 * Verbs over one place: a tenant's shard, or the tenant's rows in the directory. `fn` runs again from its beginning where
 * its server left it before COMMIT: what it does outside of the transaction must bear that.
 */
export interface TenantDatabase {
  read<T>(ctx: TenantContext, fn: (tx: ReadContext) => Promise<T>, options?: ReadOptions): Promise<T>;
  write<T>(ctx: TenantContext, fn: (tx: WriteContext) => Promise<T>, options?: WriteOptions): Promise<T>;
  /**
   * As `write`, and consumes the Context's Idempotency-Key, if it has one: the answer of `fn` (JSON) is stored in the
   * same transaction, and the next call with that key and the same body gets it without running `fn`. What `look` reads
   * travels with the check of the key, which saves a trip; `fn` gets it.
   */
  writeOnce<T>(ctx: TenantContext, fn: (tx: WriteContext) => Promise<T>): Promise<T>;
  writeOnce<T, Seen>(
    ctx: TenantContext,
    fn: (tx: WriteContext, seen: Seen) => Promise<T>,
    look: (tx: ReadContext) => Promise<Seen>,
  ): Promise<T>;
}
