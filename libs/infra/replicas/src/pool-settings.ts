import pg from 'pg';

/** Dates without a time stay text ('YYYY-MM-DD'): a Date would shift them by the machine's zone. */
pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text);

export interface PoolOptions {
  readonly min: number;
  readonly max: number;
  readonly acquireTimeoutMs: number;
  /** Longest time to make a connection; 5 s unless said otherwise. Whoever asked may have given up earlier. */
  readonly createTimeoutMs?: number;
  readonly queueLimit: number;
  readonly idleTimeoutMs: number;
  /** Time between two looks after the pool; 5 s unless said otherwise. */
  readonly evictIntervalMs?: number;
  readonly statementTimeoutMs: number;
  readonly applicationName: string;
  /** False where statements go one at a time, so that COPY works; true unless said otherwise. */
  readonly pipeline?: boolean;
  /** False behind a PgBouncer before 1.21, which mixes up the names of prepared statements; true unless said otherwise. */
  readonly preparedStatements?: boolean;
  /** How long a transaction may stand still between two statements; 10 s unless said otherwise. */
  readonly idleInTransactionTimeoutMs?: number;
  /** How long a connection lives; 30 min unless said otherwise. */
  readonly maxLifetimeS?: number;
  /** How many failures to connect in a row make the server one that is left alone; 10 unless said otherwise. */
  readonly breakerFailures?: number;
  /** True: a server in recovery is the wrong one, however well it answers. */
  readonly writable?: boolean;
}

const usualCreateTimeoutMs = 5_000;
const idleInTransactionTimeoutMs = 10_000;
export const maxUses = 7_500;
export const usualLifetimeS = 1_800;
const keepAliveInitialDelayMs = 10_000;
/** A server that owes an answer for this long after it should have cancelled the statement is taken for dead. */
const answerGraceMs = 2_000;

/** Gives no statement a name: each one is parsed anew. */
class NamelessClient extends pg.Client {
  // pg has eight signatures for this; all of them name a statement in their first argument.
  override query(this: pg.Client, ...args: never[]): never {
    const [asked] = args as readonly unknown[];
    if (typeof asked === 'object' && asked !== null && 'name' in asked) asked.name = undefined;
    return (pg.Client.prototype.query as (...all: unknown[]) => never).apply(this, args);
  }
}

export function settingsOf(url: string, options: PoolOptions): pg.PoolConfig {
  return {
    connectionString: url,
    ...(options.preparedStatements === false ? { Client: NamelessClient } : {}),
    pipeline: options.pipeline ?? true,
    min: options.min,
    max: options.max,
    idleTimeoutMillis: options.idleTimeoutMs,
    connectionTimeoutMillis: options.createTimeoutMs ?? usualCreateTimeoutMs,
    maxUses,
    maxLifetimeSeconds: options.maxLifetimeS ?? usualLifetimeS,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveInitialDelayMs,
    application_name: options.applicationName,
    statement_timeout: options.statementTimeoutMs,
    query_timeout: options.statementTimeoutMs + answerGraceMs,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? idleInTransactionTimeoutMs,
  };
}
