import type { Socket } from 'node:net';
import pg from 'pg';
import { monotonicMs } from '#infra/kernel';
import { Breaker, type BreakerState } from './breaker.js';
import { ConnectionLives, type PoolNews } from './connection-lives.js';
import { type PoolOptions, settingsOf } from './pool-settings.js';
import { fail } from './replicas.errors.js';
import { Turnstile } from './turnstile.js';

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

const usualEvictIntervalMs = 5_000;
const retryAfterMs = 1_000;
const unreachableRetryAfterMs = 5_000;
/** Statements without any answer for this long make a server suspect. */
const quietMs = 2_000;
const quietCheckMs = 1_000;
const probeTimeoutMs = 2_000;
/** SQLSTATE of a server that lives and has no connection left. */
const tooManyConnections = '53300';

/**
 * Connections of one role to one server, kept warm at their minimum once it is started. Pipelined clients refuse COPY
 * and cursors.
 */
export class NodePool {
  readonly #pool: pg.Pool;
  readonly #turns: Turnstile;
  readonly #breaker: Breaker;
  readonly #clients: ConnectionLives;
  /** Connected before the last `renew`. */
  readonly #outdated = new WeakSet<pg.Client>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** Hears of every connection from now on. */
  news: PoolNews | undefined;
  #warming = false;
  #ending = false;
  #answered = 0;
  #totalMs = 0;
  #owed = 0;
  /** Since when the server owes what it owes, or when it answered last. */
  #quietSince = 0;

  constructor(
    private readonly url: string,
    readonly options: PoolOptions,
    onError: (error: Error) => void,
    onBreaker: (state: BreakerState, error?: unknown) => void = () => undefined,
  ) {
    this.#pool = new pg.Pool(settingsOf(url, options));
    this.#clients = new ConnectionLives(options);
    this.#pool.on('error', onError);
    this.#pool.on('connect', (client) => {
      this.#clients.begin(client);
      this.news?.opened();
      // A connection that dies while it is out tells its holder through the statements; unheard, it would end the process.
      client.on('error', () => this.#clients.broke(client));
    });
    this.#pool.on('acquire', (client) => this.#clients.used(client));
    this.#pool.on('remove', (client) => this.news?.closed(this.#clients.end(client, this.#ending)));
    this.#turns = new Turnstile({
      max: options.max,
      queueLimit: options.queueLimit,
      timeoutMs: options.acquireTimeoutMs,
      refusal: (why) => {
        if (why === 'late') this.#breaker.suspect();
        return fail('database.pool_exhausted', { internal: `waiters: ${why}`, retryAfterMs });
      },
    });
    this.#breaker = new Breaker({
      ...(options.breakerFailures === undefined ? {} : { failuresToOpen: options.breakerFailures }),
      probe: () => this.#probe(),
      onOpen: (error, silent) => {
        onBreaker('open', error);
        this.#turns.disperse(() => unreachable(error));
        if (silent) this.#cut();
      },
      onClose: () => {
        onBreaker('closed');
        this.#warm();
      },
    });
  }

  /** Opens the minimum of connections, and looks every 5 s that they are there. */
  start(): void {
    if (this.#timers.length > 0) return;
    this.#warm();
    const evictIntervalMs = this.options.evictIntervalMs ?? usualEvictIntervalMs;
    this.#timers.push(setInterval(() => this.#warm(), evictIntervalMs).unref());
    this.#timers.push(setInterval(() => this.#listen(), quietCheckMs).unref());
  }

  /** `open`: nobody waits for this server now, it is probed each second. */
  get breaker(): BreakerState {
    return this.#breaker.state;
  }

  /**
   * A connection that the caller must give back with `release()`, or `release(true)` when its state is unknown.
   * Throws database.pool_exhausted when nobody gives one back in time or too many wait, database.unreachable when the
   * server does not answer, at once while it is known not to.
   */
  async connect(): Promise<pg.PoolClient> {
    if (this.#breaker.state === 'open') throw unreachable();
    const askedAt = monotonicMs();
    const endsAt = askedAt + this.options.acquireTimeoutMs;
    const turn = this.#turns.enter();
    if (turn !== undefined) await turn;
    const { idleCount } = this.#pool;
    const opening = this.#pool.connect().then(
      (client) => this.#handOut(client, askedAt),
      (error: unknown) => {
        this.#turns.leave();
        if (codeOf(error) !== tooManyConnections) this.#breaker.failed(error);
        throw unreachable(error);
      },
    );
    return idleCount > 0 ? opening : this.#inTime(opening, endsAt - monotonicMs());
  }

  /**
   * The address leads to a server that cannot be the one that is meant: no connection of now is used again, and a probe
   * decides whether the right one is there.
   */
  renew(): void {
    for (const client of this.#clients.all()) this.#outdated.add(client);
    for (let left = this.#pool.idleCount; left > 0; left -= 1)
      this.#pool.connect().then(
        (idle) => idle.release(this.#outdated.has(idle)),
        () => undefined,
      );
    this.#breaker.suspect();
  }

  counts(): PoolCounts {
    const { totalCount: total, idleCount: idle, waitingCount } = this.#pool;
    return { max: this.options.max, total, idle, waiting: this.#turns.waiting + waitingCount };
  }

  /** Counts and times a statement that has just been sent on one of the connections. */
  timed<T>(answer: Promise<T>): Promise<T> {
    const sentAt = monotonicMs();
    if (this.#owed === 0) this.#quietSince = sentAt;
    this.#owed += 1;
    const answered = () => {
      const now = monotonicMs();
      this.#owed -= 1;
      this.#quietSince = now;
      this.#answered += 1;
      this.#totalMs += now - sentAt;
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
    for (const timer of this.#timers) clearInterval(timer);
    this.#breaker.end();
    this.#ending = true;
    await this.#pool.end();
  }

  #handOut(client: pg.PoolClient, askedAt: number): pg.PoolClient {
    this.#breaker.succeeded();
    this.news?.acquired(monotonicMs() - askedAt);
    const giveBack = client.release;
    client.release = (broken) => {
      if (broken) this.#clients.broke(client);
      giveBack.call(client, broken || this.#outdated.has(client));
      this.#turns.leave();
    };
    return client;
  }

  /** A connection that is made too late for its caller goes to the next one. */
  async #inTime(opening: Promise<pg.PoolClient>, leftMs: number): Promise<pg.PoolClient> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), leftMs);
    });
    const client = await Promise.race([opening, late]).finally(() => clearTimeout(timer));
    if (client !== undefined) return client;
    this.#breaker.suspect();
    opening.then(
      (unwanted) => unwanted.release(),
      () => undefined,
    );
    throw unreachable();
  }

  /** Idle connections are taken out for a moment with the new ones: a pool makes none while it has idle ones. */
  #warm(): void {
    const missing = this.options.min - this.#pool.totalCount;
    if (missing <= 0 || this.#warming || this.#breaker.state === 'open') return;
    this.#warming = true;
    const wanted = Array.from({ length: this.#pool.idleCount + missing }, () => this.#pool.connect());
    void Promise.allSettled(wanted).then((outcomes) => {
      this.#warming = false;
      for (const outcome of outcomes)
        if (outcome.status === 'fulfilled') outcome.value.release();
        else if (codeOf(outcome.reason) !== tooManyConnections) this.#breaker.failed(outcome.reason);
    });
  }

  /** Statements that nobody answers make the server suspect: their callers should not wait for their own limits. */
  #listen(): void {
    if (this.#owed > 0 && monotonicMs() - this.#quietSince > quietMs) this.#breaker.suspect();
  }

  async #probe(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.url,
      connectionTimeoutMillis: probeTimeoutMs,
      query_timeout: probeTimeoutMs,
      application_name: this.options.applicationName,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
      if (this.options.writable && rows[0]?.standby) throw new Error('the server is in recovery');
      await client.end();
    } catch (error) {
      streamOf(client).destroy();
      if (codeOf(error) !== tooManyConnections) throw error;
    }
  }

  /** Whoever holds a connection to a silent server hears at once that it is lost. */
  #cut(): void {
    for (const client of this.#clients.all()) streamOf(client).destroy();
  }
}

const unreachable = (cause?: unknown) => fail('database.unreachable', { cause, retryAfterMs: unreachableRetryAfterMs });

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null | undefined)?.code;

const streamOf = (client: pg.Client): Socket =>
  (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream;
