import { type Clock, monotonicMs } from '#infra/kernel';
import { type Balancing, choose } from './balance.js';
import { Heartbeat, type PrimaryPulse, type ReplicaPulse } from './heartbeat.js';
import { LagMeter } from './lag.js';
import type { NodePool } from './pool.js';
import { Replica } from './replica.js';
import { fail } from './replicas.errors.js';
import { Turnstile } from './turnstile.js';

const pollMs = 1_000;
const lagMaxMs = 5_000;
/** 500 s: where users wrote is known for longer than that. */
const lagMultiplierMax = 100;
const retryAfterMs = 1_000;
const lagMaxBytes = 8n * 1024n * 1024n;
/** Share of the primary’s connections that reads may take which a replica should have answered: writes live on the rest. */
const fallbackShare = 0.5;

/** Why a read on a replica failed: it has not replayed enough, it is broken, or the read itself is wrong. */
export type ReplicaFailure = 'behind' | 'broken' | 'own';

/** One primary and its replicas: which replica may answer a read right now. */
export class ReplicaSet {
  readonly #replicas: readonly Replica[];
  #meter = new LagMeter();
  readonly #heartbeat: Heartbeat;
  #pulse: PrimaryPulse | undefined;
  readonly #fallback: Turnstile;
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #turn = 0;

  constructor(
    readonly primary: NodePool,
    readonly replicas: readonly NodePool[],
    private readonly clock: Clock,
    private readonly balancing: Balancing = 'power-of-two',
    /** By how much more than usual replicas may lag; what the primary's own row says comes on top. */
    private readonly lagMultiplier = 1,
  ) {
    this.#heartbeat = new Heartbeat(clock);
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
    return this.#pulse?.lineage ?? null;
  }

  get hasReplicas(): boolean {
    return this.#replicas.length > 0;
  }

  /** Warms the pools and begins to measure lag; without it every read goes to the primary. */
  start(): void {
    for (const pool of [this.primary, ...this.replicas]) pool.start();
    if (this.#replicas.length === 0 || this.#timer) return;
    const look = () => {
      this.#polling ??= this.poll().finally(() => {
        this.#polling = undefined;
      });
    };
    // At once: until then a write cannot tell where it stands.
    look();
    this.#timer = setInterval(look, pollMs).unref();
  }

  /** Measures every replica once. */
  async poll(): Promise<void> {
    const pulse = await this.#heartbeat.ofPrimary(this.primary).catch(() => undefined);
    if (!pulse) return; // A primary that does not answer says nothing about its replicas.
    // Positions of another server or timeline cannot be compared.
    if (this.#pulse && pulse.lineage !== this.#pulse.lineage) this.#meter = new LagMeter();
    this.#pulse = pulse;
    this.#meter.sample(this.clock.now(), pulse.position);
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
      const pulse = await this.#heartbeat.ofReplica(replica.pool, this.#pulse?.beatAt != null);
      replica.judge(this.#closeBehind(replica, pulse), this.clock.now());
    } catch {
      replica.lost(this.clock.now());
    }
  }

  /**
   * Two measures, and the smaller one holds: since when this process has seen something that is missing, endless for what
   * was missing before it began; and how old the newest beat is that was replayed, which says it to a newcomer too.
   */
  #closeBehind(replica: Replica, { position, beatAt }: ReplicaPulse): boolean {
    if (position === null) return false;
    const newest = this.#pulse?.beatAt;
    const byBeat = newest == null || beatAt === null ? Number.POSITIVE_INFINITY : Math.max(0, newest - beatAt);
    replica.lagMs = Math.min(byBeat, this.#meter.lagMs(this.clock.now(), position));
    const allowed = Math.min(lagMultiplierMax, this.lagMultiplier * (this.#pulse?.lagMultiplier ?? 1));
    return replica.lagMs <= lagMaxMs * allowed && this.#meter.lagBytes(position) <= lagMaxBytes * BigInt(allowed);
  }
}
