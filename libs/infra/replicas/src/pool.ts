import pg from 'pg';
import { monotonicMs } from '#infra/kernel';
import { fail } from './replicas.errors.js';

/** Dates without a time stay text ('YYYY-MM-DD'): a Date would shift them by the machine's zone. */
pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text);

export interface PoolOptions {
  readonly min: number;
  readonly max: number;
  readonly acquireTimeoutMs: number;
  readonly queueLimit: number;
  readonly idleTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly applicationName: string;
  /** False where statements go one at a time, so that COPY works; true unless said otherwise. */
  readonly pipeline?: boolean;
  /** How long a transaction may stand still between two statements; 10 s unless said otherwise. */
  readonly idleInTransactionTimeoutMs?: number;
}

export interface PoolCounts {
  readonly max: number;
  readonly total: number;
  readonly idle: number;
  readonly waiting: number;
}

export interface QueryCounts {
  /** Statements answered since the process began, BEGIN and COMMIT among them, failed ones too. */
  readonly queryCount: number;
  /** Milliseconds from sending a statement to its answer, the mean; null before the first. */
  readonly averageQueryTime: number | null;
}

const idleInTransactionTimeoutMs = 10_000;
const maxUses = 7_500;
const maxLifetimeS = 1_800;
const keepAliveInitialDelayMs = 10_000;
const retryAfterMs = 1_000;
/** A server that owes an answer for this long after it should have cancelled the statement is taken for dead. */
const answerGraceMs = 2_000;
const waitedTooLong = 'timeout exceeded when trying to connect';

/** Connections of one role to one server. Pipelined clients refuse COPY and cursors. */
export class NodePool {
  readonly #pool: pg.Pool;
  #answered = 0;
  #totalMs = 0;

  constructor(
    url: string,
    readonly options: PoolOptions,
    onError: (error: Error) => void,
  ) {
    this.#pool = new pg.Pool({
      connectionString: url,
      pipeline: options.pipeline ?? true,
      min: options.min,
      max: options.max,
      idleTimeoutMillis: options.idleTimeoutMs,
      connectionTimeoutMillis: options.acquireTimeoutMs,
      maxUses,
      maxLifetimeSeconds: maxLifetimeS,
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveInitialDelayMs,
      application_name: options.applicationName,
      statement_timeout: options.statementTimeoutMs,
      query_timeout: options.statementTimeoutMs + answerGraceMs,
      idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? idleInTransactionTimeoutMs,
    });
    this.#pool.on('error', onError);
    // A connection that dies while it is out tells its holder through the statements; unheard, it would end the process.
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  /**
   * A connection that the caller must give back with `release()`, or `release(true)` when its state is unknown.
   * Throws database.pool_exhausted when nobody gives one back in time or too many wait, database.unreachable when the
   * server does not answer.
   */
  async connect(): Promise<pg.PoolClient> {
    const { idleCount, totalCount, waitingCount } = this.#pool;
    if (idleCount === 0 && totalCount >= this.options.max && waitingCount >= this.options.queueLimit)
      throw fail('database.pool_exhausted', { internal: 'too many waiters', retryAfterMs });
    try {
      return await this.#pool.connect();
    } catch (cause) {
      const exhausted = cause instanceof Error && cause.message === waitedTooLong;
      throw fail(exhausted ? 'database.pool_exhausted' : 'database.unreachable', { cause, retryAfterMs });
    }
  }

  counts(): PoolCounts {
    const { totalCount: total, idleCount: idle, waitingCount: waiting } = this.#pool;
    return { max: this.options.max, total, idle, waiting };
  }

  /** Counts and times a statement that has just been sent on one of the connections. */
  timed<T>(answer: Promise<T>): Promise<T> {
    const sentAt = monotonicMs();
    const answered = () => {
      this.#answered += 1;
      this.#totalMs += monotonicMs() - sentAt;
    };
    answer.then(answered, answered);
    return answer;
  }

  queries(): QueryCounts {
    const queryCount = this.#answered;
    return { queryCount, averageQueryTime: queryCount === 0 ? null : this.#totalMs / queryCount };
  }

  /** Waits for the connections that are out. */
  async end(): Promise<void> {
    await this.#pool.end();
  }
}
