import type { QueryConfig } from 'pg';
import { type Clock, monotonicMs } from '#infra/kernel';
import { type Balancing, choose } from './balance.js';
import { LagMeter, parseWalPosition, type WalPosition } from './lag.js';
import type { NodePool } from './pool.js';
import { Replica } from './replica.js';
import { fail } from './replicas.errors.js';
import { Turnstile } from './turnstile.js';

const pollMs = 1_000;
const pollTimeoutMs = 2_000;
const lagMaxMs = 5_000;
const retryAfterMs = 1_000;
const lagMaxBytes = 8n * 1024n * 1024n;
/** Share of the primary’s connections that reads may take which a replica should have answered: writes live on the rest. */
const fallbackShare = 0.5;

/** Why a read on a replica failed: it has not replayed enough, it is broken, or the read itself is wrong. */
export type ReplicaFailure = 'behind' | 'broken' | 'own';

/** One primary and its replicas: which replica may answer a read right now. */
export class ReplicaSet {
  readonly #replicas: readonly Replica[];
  readonly #meter = new LagMeter();
  readonly #fallback: Turnstile;
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #turn = 0;
  #lineage: string | null = null;

  constructor(
    readonly primary: NodePool,
    readonly replicas: readonly NodePool[],
    private readonly clock: Clock,
    private readonly balancing: Balancing = 'power-of-two',
  ) {
    this.#replicas = replicas.map((pool) => new Replica(pool));
    const { max, queueLimit, acquireTimeoutMs } = primary.options;
    this.#fallback = new Turnstile({
      max: Math.max(1, Math.floor(max * fallbackShare)),
      queueLimit,
      timeoutMs: acquireTimeoutMs,
      refusal: (why) => fail('database.pool_exhausted', { internal: `reads for a replica: ${why}`, retryAfterMs }),
    });
  }

  /** The primary’s identifier and timeline as the last poll found them; null before. */
  get lineage(): string | null {
    return this.#lineage;
  }

  get hasReplicas(): boolean {
    return this.#replicas.length > 0;
  }

  /** Warms the pools and begins to measure lag; without it every read goes to the primary. */
  start(): void {
    for (const pool of [this.primary, ...this.replicas]) pool.start();
    if (this.#replicas.length === 0 || this.#timer) return;
    this.#timer = setInterval(() => {
      this.#polling ??= this.poll().finally(() => {
        this.#polling = undefined;
      });
    }, pollMs);
    this.#timer.unref();
  }

  /** Measures every replica once. */
  async poll(): Promise<void> {
    try {
      // What is flushed can be replayed; the insert position may point past a page header that no record fills yet.
      const [row] = await ask<{ position: string; lineage: string }>(this.primary, whereTheLogIs);
      if (row) this.#meter.sample(this.clock.now(), parseWalPosition(row.position));
      this.#lineage = row?.lineage ?? null;
    } catch {
      return; // A primary that does not answer says nothing about its replicas.
    }
    await Promise.all(this.#replicas.map((replica) => this.#judge(replica)));
  }

  /**
   * Runs `fn` on the replica in rotation that the balancing chooses; undefined when there is none, or when it failed in
   * a way that the primary would not: `judge` says so. A broken replica leaves rotation at once.
   */
  async onReplica<T>(
    fn: (pool: NodePool) => Promise<T>,
    judge: (error: unknown) => ReplicaFailure,
  ): Promise<{ readonly value: T } | undefined> {
    const replica = this.#choose();
    if (!replica) return undefined;
    replica.inFlight += 1;
    const sentAt = monotonicMs();
    try {
      const value = await fn(replica.pool);
      replica.answered(sentAt);
      return { value };
    } catch (error) {
      const failure = judge(error);
      if (failure === 'own') throw error;
      if (failure === 'broken') replica.suspect();
      return undefined;
    } finally {
      replica.inFlight -= 1;
    }
  }

  /**
   * Runs a read on the primary that a replica should have answered. All of them together take half of its connections at
   * most; the others wait as for a connection, or are refused with database.pool_exhausted.
   */
  async instead<T>(fn: (pool: NodePool) => Promise<T>): Promise<T> {
    if (!this.hasReplicas) return fn(this.primary);
    await this.#fallback.enter();
    try {
      return await fn(this.primary);
    } finally {
      this.#fallback.leave();
    }
  }

  counts() {
    return {
      primary: this.primary.counts(),
      replicas: this.#replicas.map((r) => ({ ...r.pool.counts(), inRotation: r.inRotation, lagMs: r.lagMs })),
    };
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.#polling;
    await Promise.all([this.primary.end(), ...this.#replicas.map((r) => r.pool.end())]);
  }

  #choose(): Replica | undefined {
    const now = this.clock.now();
    const candidates = this.#replicas.filter((replica) => replica.takes(now));
    this.#turn += 1;
    return choose(this.balancing, candidates, this.#turn, Math.random);
  }

  async #judge(replica: Replica): Promise<void> {
    try {
      const [row] = await ask<{ position: string | null }>(replica.pool, 'select pg_last_wal_replay_lsn() as position');
      const good = row?.position != null && this.#closeBehind(replica, parseWalPosition(row.position));
      replica.judge(good, this.clock.now());
    } catch {
      replica.lost(this.clock.now());
    }
  }

  #closeBehind(replica: Replica, replayed: WalPosition): boolean {
    replica.lagMs = this.#meter.lagMs(this.clock.now(), replayed);
    return replica.lagMs <= lagMaxMs && this.#meter.lagBytes(replayed) <= lagMaxBytes;
  }
}

/** The name of a file of the log begins with the timeline, eight hexadecimal digits. */
const whereTheLogIs = `
  select at as position, system_identifier || '-' || left(pg_walfile_name(at), 8) as lineage
    from pg_current_wal_flush_lsn() as at, pg_control_system()`;

async function ask<Row>(pool: NodePool, sql: string): Promise<Row[]> {
  const client = await pool.connect();
  try {
    const { rows } = await client.query(timed(sql));
    client.release();
    return rows as Row[];
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** pg reads query_timeout of a statement too, though its types know only the connection's. */
const timed = (text: string): QueryConfig => Object.assign({ text }, { query_timeout: pollTimeoutMs });
