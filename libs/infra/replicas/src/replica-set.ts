import type { QueryConfig } from 'pg';
import type { Clock } from '#infra/kernel';
import { LagMeter, parseWalPosition, type WalPosition } from './lag.js';
import type { NodePool } from './pool.js';

const pollMs = 1_000;
const pollTimeoutMs = 2_000;
const lagMaxMs = 5_000;
const lagMaxBytes = 8n * 1024n * 1024n;

/** A replica in or out of rotation. It comes back when two polls in a row find it close behind its primary. */
class Replica {
  inFlight = 0;
  /** At the last poll that it answered; undefined before, and Infinity where nobody knows how far behind it is. */
  lagMs: number | undefined;
  #goodPolls = 0;
  constructor(readonly pool: NodePool) {}

  get inRotation(): boolean {
    return this.#goodPolls >= 2;
  }
  judge(good: boolean): void {
    this.#goodPolls = good ? this.#goodPolls + 1 : 0;
  }
  eject(): void {
    this.#goodPolls = 0;
  }
}

/** Why a read on a replica failed: it has not replayed enough, it is broken, or the read itself is wrong. */
export type ReplicaFailure = 'behind' | 'broken' | 'own';

/** One primary and its replicas: which replica may answer a read right now. */
export class ReplicaSet {
  readonly #replicas: readonly Replica[];
  readonly #meter = new LagMeter();
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> = Promise.resolve();

  constructor(
    readonly primary: NodePool,
    readonly replicas: readonly NodePool[],
    private readonly clock: Clock,
  ) {
    this.#replicas = replicas.map((pool) => new Replica(pool));
  }

  get hasReplicas(): boolean {
    return this.#replicas.length > 0;
  }

  /** Begins to measure lag; without it every read goes to the primary. */
  watch(): void {
    if (this.#replicas.length === 0 || this.#timer) return;
    this.#timer = setInterval(() => {
      this.#polling = this.#polling.then(() => this.poll());
    }, pollMs);
    this.#timer.unref();
  }

  /** Measures every replica once. */
  async poll(): Promise<void> {
    try {
      // What is flushed can be replayed; the insert position may point past a page header that no record fills yet.
      const [row] = await ask<{ position: string }>(this.primary, 'select pg_current_wal_flush_lsn() as position');
      if (row) this.#meter.sample(this.clock.now(), parseWalPosition(row.position));
    } catch {
      return; // A primary that does not answer says nothing about its replicas.
    }
    await Promise.all(this.#replicas.map((replica) => this.#judge(replica)));
  }

  /**
   * Runs `fn` on the least busy replica in rotation; undefined when there is none, or when it failed in a way that the
   * primary would not: `judge` says so. A broken replica leaves rotation at once.
   */
  async onReplica<T>(
    fn: (pool: NodePool) => Promise<T>,
    judge: (error: unknown) => ReplicaFailure,
  ): Promise<{ readonly value: T } | undefined> {
    const replica = this.#replicas.filter((r) => r.inRotation).sort((a, b) => a.inFlight - b.inFlight)[0];
    if (!replica) return undefined;
    replica.inFlight += 1;
    try {
      return { value: await fn(replica.pool) };
    } catch (error) {
      const failure = judge(error);
      if (failure === 'own') throw error;
      if (failure === 'broken') replica.eject();
      return undefined;
    } finally {
      replica.inFlight -= 1;
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

  async #judge(replica: Replica): Promise<void> {
    try {
      const [row] = await ask<{ position: string | null }>(replica.pool, 'select pg_last_wal_replay_lsn() as position');
      replica.judge(row?.position != null && this.#closeBehind(replica, parseWalPosition(row.position)));
    } catch {
      replica.eject();
    }
  }

  #closeBehind(replica: Replica, replayed: WalPosition): boolean {
    replica.lagMs = this.#meter.lagMs(this.clock.now(), replayed);
    return replica.lagMs <= lagMaxMs && this.#meter.lagBytes(replayed) <= lagMaxBytes;
  }
}

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
