import type { BeforeApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { Audit } from '#infra/audit';
import type { TenantCrypto } from '#infra/crypto';
import { type Clock, type Instant, type TenantContext } from '#infra/kernel';
import type { RedisConnections } from '#infra/redis';
import type { Log, Metrics } from '#infra/telemetry';
import { Breaker } from './breaker.js';
import { Bus } from './bus.js';
import type { CacheConfig } from './cache.config.js';
import { Counts } from './counts.js';
import { type Entry, type Found, unknownVacancy } from './entry.js';
import { type Facade, facadeOf } from './facade.js';
import { type CacheKey, cacheKey } from './key.js';
import { Memory } from './memory.js';
import { pack, unpack } from './packing.js';
import { RedisTier } from './redis-tier.js';
import { type CacheStats, statsOf } from './stats.js';
import { jittered, type Strategy, type StrategyName, strategyNames, strategyOf } from './strategies.js';
import { memoryTier, redisTier } from './tiers.js';
import { WireForm } from './wire-form.js';

export interface CacheParts {
  readonly config: CacheConfig;
  readonly redis: RedisConnections;
  readonly crypto: TenantCrypto;
  /** Hears of entries that somebody changed in Redis. */
  readonly audit: Pick<Audit, 'recordRead'>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** What took longer to load is answered and not kept: a forgetting may have been forgotten meanwhile. */
export const loadMaxMs = 30_000;
const auditDeadlineMs = 5_000;

/** One load that all who want its key meanwhile wait for. */
class Flight {
  forgotten = false;
  readonly packed: Promise<Buffer>;
  constructor(obtain: (flight: Flight) => Promise<Buffer>) {
    this.packed = obtain(this);
  }
}

type Load<T> = () => Promise<T>;

interface Kept {
  readonly strategy: Strategy;
  readonly facade: Facade;
}

/**
 * Memory of this process, then Redis, then the source. Keys lie under the context's tenant. Nothing that goes wrong with
 * Redis is ever a caller's failure; what a loader throws is.
 */
export class Cache implements OnModuleInit, BeforeApplicationShutdown {
  readonly enabled: boolean;
  readonly #counts: Counts;
  readonly #memory: Memory;
  readonly #redis: RedisTier;
  readonly #bus: Bus;
  readonly #kept: Readonly<Record<StrategyName, Kept>>;
  readonly #flights = new Map<string, Flight>();
  readonly #since: Instant;

  constructor(private readonly parts: CacheParts) {
    const { config, redis, log, metrics, clock } = parts;
    this.enabled = config.enabled;
    this.#since = clock.now();
    this.#counts = new Counts(metrics);
    this.#memory = new Memory({ maxEntries: config.memoryMaxEntries, maxBytes: config.memoryMaxBytes }, clock);
    this.#bus = new Bus(redis, clock, log, (key) => this.#drop(key));
    const breaker = new Breaker(clock, (state, error) => log.warn('cache.redis_changed', { breaker: state, error }));
    this.#redis = new RedisTier(redis, breaker, (key) => void this.#bus.forget(key));
    this.#kept = Object.fromEntries(strategyNames.map((name) => [name, this.#keep(name)])) as Record<
      StrategyName,
      Kept
    >;
    this.#measure(metrics);
  }

  /**
   * The value of the key, loaded where no tier has it: once for all who ask this process meanwhile. It comes back in its
   * JSON form, or as the bytes of a Buffer, the first time too; every caller gets a value of its own.
   */
  async getOrSet<T>(ctx: TenantContext, strategy: StrategyName, name: string, load: () => Promise<T>): Promise<T> {
    const key = cacheKey(ctx, strategy, name);
    if (!this.enabled) return unpack(await this.#load(key, load));
    const held = this.#memory.get(key.text, this.#bus.epoch);
    this.#counts.count(strategy, 'memory', held ? 'hit' : 'miss');
    if (held) {
      this.#counts.countTenant(key.tenantId, 'hits');
      return unpack(held);
    }
    const flight = this.#flights.get(key.text);
    return unpack(await (flight ? this.#join(flight, ctx, key, load) : this.#fly(ctx, key, load).packed));
  }

  /**
   * After the change has committed. From now on this process loads anew, others at most a second later; what is being
   * loaded now is kept nowhere. Never rejects: where Redis is away, it hears of it when it is back.
   */
  async forget(ctx: TenantContext, strategy: StrategyName, name: string): Promise<void> {
    const { text } = cacheKey(ctx, strategy, name);
    this.#drop(text);
    if (this.enabled && (await this.#redis.remove(text))) await this.#bus.forget(text);
  }

  /** Whether this process hears what others forget; while it does not, what may change stays in memory for a second. */
  get hears(): boolean {
    return this.#bus.hears;
  }

  /** Counts of this process, and of the tenant of the context. */
  stats(ctx: TenantContext): CacheStats {
    return statsOf({
      enabled: this.enabled,
      since: this.#since,
      hears: this.#bus.hears,
      redisAway: !this.enabled || this.#redis.away,
      config: this.parts.config,
      counts: this.#counts,
      memory: this.#memory,
      tenantId: ctx.tenant.id,
    });
  }

  onModuleInit(): void {
    if (this.enabled) this.#bus.start(() => void this.#redis.settle());
  }

  beforeApplicationShutdown(): void {
    this.#bus.stop();
  }

  /** Waits with the others; where that load fails, one of them tries once more for those that are left. */
  async #join<T>(flight: Flight, ctx: TenantContext, key: CacheKey, load: Load<T>): Promise<Buffer> {
    this.#counts.count(key.strategy, 'flight', 'joined');
    try {
      return await flight.packed;
    } catch {
      return (this.#flights.get(key.text) ?? this.#fly(ctx, key, load)).packed;
    }
  }

  #fly<T>(ctx: TenantContext, key: CacheKey, load: Load<T>): Flight {
    const flight = new Flight((self) =>
      this.#obtain(self, ctx, key, load).finally(() => {
        if (this.#flights.get(key.text) === self) this.#flights.delete(key.text);
      }),
    );
    this.#flights.set(key.text, flight);
    return flight;
  }

  async #obtain<T>(flight: Flight, ctx: TenantContext, key: CacheKey, load: Load<T>): Promise<Buffer> {
    const { strategy, facade } = this.#kept[key.strategy];
    const startedAt = this.parts.clock.now();
    const intact = () => !flight.forgotten && this.parts.clock.now() - startedAt <= loadMaxMs;
    const { epoch } = this.#bus;
    const found = (await facade.get<Found>(key.text)) ?? unknownVacancy;
    if (found.kind === 'held') {
      this.#counts.countTenant(key.tenantId, 'hits');
      const entry: Entry = { packed: found.packed, generation: null, epoch, intact };
      await facade.stores[0]?.set(key.text, entry, found.leftMs);
      return found.packed;
    }
    if (found.refused) void this.#report(ctx, key);
    const packed = await this.#load(key, load);
    const entry: Entry = { packed, generation: found.generation, epoch, intact };
    await facade.set(key.text, entry, jittered(strategy.ttlS, Math.random()));
    return packed;
  }

  async #load<T>({ strategy, tenantId }: CacheKey, load: Load<T>): Promise<Buffer> {
    this.#counts.countTenant(tenantId, 'misses');
    try {
      const packed = pack(await load());
      this.#counts.count(strategy, 'source', 'loaded');
      return packed;
    } catch (error) {
      this.#counts.count(strategy, 'source', 'failed');
      throw error;
    }
  }

  #drop(key: string): void {
    const flight = this.#flights.get(key);
    if (flight) flight.forgotten = true;
    this.#flights.delete(key);
    this.#memory.delete(key);
  }

  #keep(name: StrategyName): Kept {
    const { config, crypto, log } = this.parts;
    const strategy = strategyOf(name, config);
    const parts = {
      name,
      strategy,
      memory: this.#memory,
      redis: this.#redis,
      bus: this.#bus,
      wire: new WireForm(name, strategy, crypto),
      counts: this.#counts,
      log: log.child({ component: 'cache' }),
    };
    return { strategy, facade: facadeOf([memoryTier(parts), redisTier(parts)]) };
  }

  /** What somebody put into Redis leaves it at once, and the tenant's audit says so. */
  async #report(asked: TenantContext, { text, strategy, tenantId }: CacheKey): Promise<void> {
    const { audit, clock, log } = this.parts;
    log.error('cache.entry_refused', {
      strategy,
      tenantId,
      hint: 'a value in Redis was changed, moved or is not ours',
    });
    const actor = { kind: 'system', name: 'cache' } as const;
    const ctx: TenantContext = { ...asked, actor, deadline: clock.now() + auditDeadlineMs };
    const event = { action: 'cache.refused', resourceType: 'cache', outcome: 'failure' } as const;
    const recorded = audit
      .recordRead(ctx, event)
      .catch((error: unknown) => log.error('cache.unaudited', { strategy, error }));
    await Promise.all([this.#redis.remove(text), recorded]);
  }

  #measure(metrics: Metrics): void {
    const reading = (of: 'entries' | 'bytes') => () =>
      strategyNames.map((strategy) => ({ labels: { strategy }, value: this.#memory.occupancy(strategy)[of] }));
    metrics.observedGauge(
      'cache_memory_entries',
      'Entries in this process’s memory.',
      ['strategy'],
      reading('entries'),
    );
    metrics.observedGauge(
      'cache_memory_bytes',
      'Bytes of entries in this process’s memory.',
      ['strategy'],
      reading('bytes'),
    );
  }
}
