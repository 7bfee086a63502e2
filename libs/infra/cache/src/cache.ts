import type { BeforeApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { Audit } from '#infra/audit';
import type { TenantCrypto } from '#infra/crypto';
import type { Clock, Instant, TenantContext } from '#infra/kernel';
import { RedisBreaker, type RedisConnections } from '#infra/redis';
import type { Log, Metrics } from '#infra/telemetry';
import { Accesses } from './accesses.js';
import { Bus } from './bus.js';
import type { CacheConfig } from './cache.config.js';
import { measure } from './cache.metrics.js';
import { Counts } from './counts.js';
import { covers, seenBy } from './entry.js';
import { type Facade, facadeOf } from './facade.js';
import { HitRates } from './hit-rates.js';
import { type CacheKey, cacheKey, scopes } from './key.js';
import { type Asked, type Load, Loading, type Obtained, type Options } from './loading.js';
import { anyOf, type Kept, Memory } from './memory.js';
import { isSharable, unpack } from './packing.js';
import { RedisTier } from './redis-tier.js';
import { removeRefused } from './refused.js';
import { isDue } from './renewal.js';
import { type CacheStats, statsOf } from './stats.js';
import { type Strategy, type StrategyName, strategyNames, strategyOf } from './strategies.js';
import { memoryTier, redisTier } from './tiers.js';
import { Warming, warmerName } from './warming.js';
import { WireForm } from './wire-form.js';

/** After 5 failures in a row. */
const redisRestMs = 5_000;

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

/** What a read was answered with, and where from. */
export interface Answer<T> extends Omit<Obtained, 'packed'> {
  readonly value: T;
}

/** One load that all who may have its result wait for. */
interface Flight {
  readonly mark: number;
  readonly ctx: TenantContext;
  readonly obtained: Promise<Obtained>;
}

interface Shelf {
  readonly strategy: Strategy;
  readonly facade: Facade;
}

/**
 * Memory of this process, then Redis, then the source. Keys lie under the context's tenant. Nothing that goes wrong with
 * Redis is ever a caller's failure; what a loader throws is. Whoever brings a consistency token gets what was loaded with
 * that write in sight, or loads it.
 */
export class Cache implements OnModuleInit, BeforeApplicationShutdown {
  readonly enabled: boolean;
  readonly warming: Warming;
  readonly #counts: Counts;
  readonly #memory: Memory;
  readonly #redis: RedisTier;
  readonly #bus: Bus;
  readonly #accesses: Accesses;
  readonly #loading: Loading;
  readonly #hitRates: HitRates;
  readonly #kept: Readonly<Record<StrategyName, Shelf>>;
  readonly #flights = new Map<string, Flight>();
  readonly #since: Instant;

  constructor(private readonly parts: CacheParts) {
    const { config, redis, log, metrics, clock } = parts;
    this.enabled = config.enabled;
    this.#since = clock.now();
    this.#counts = new Counts(metrics);
    this.#hitRates = new HitRates(this.#counts, log, clock);
    this.#memory = new Memory({ maxEntries: config.memoryMaxEntries, maxBytes: config.memoryMaxBytes }, clock);
    this.#bus = new Bus(redis, clock, log, (scope) => this.#memory.forget(scope));
    const onChange = (state: 'open' | 'closed', error?: unknown) =>
      log.warn('cache.redis_changed', { breaker: state, error });
    const breaker = new RedisBreaker({ openForMs: redisRestMs, clock, onChange });
    this.#redis = new RedisTier(redis, breaker, (scope) => void this.#bus.forget(scope));
    this.#accesses = new Accesses(redis);
    this.warming = new Warming({ accesses: this.#accesses, clock, log });
    this.#kept = Object.fromEntries(strategyNames.map((name) => [name, this.#keep(name)])) as Record<
      StrategyName,
      Shelf
    >;
    this.#loading = new Loading({
      kept: this.#kept,
      memory: this.#memory,
      redis: this.#redis,
      bus: this.#bus,
      counts: this.#counts,
      clock,
      onRefused: ({ ctx, key }) => void removeRefused({ ...parts, redis: this.#redis }, ctx, key),
    });
    measure(metrics, this.#memory);
  }

  /**
   * The value of the key, loaded where no tier has it: once for all who ask this process meanwhile, and as a rule once for
   * all processes. It comes back in its JSON form, frozen, or as the bytes of a Buffer, the first time too. `undefined` is
   * kept for 30 s.
   */
  async getOrSet<T>(
    ctx: TenantContext,
    strategy: StrategyName,
    name: string,
    load: Load<T>,
    options?: Options<T>,
  ): Promise<T> {
    return (await this.read(ctx, strategy, name, load, options)).value;
  }

  /** As `getOrSet`, and says where the value comes from. */
  async read<T>(
    ctx: TenantContext,
    strategy: StrategyName,
    name: string,
    load: Load<T>,
    options: Options<T> = {},
  ): Promise<Answer<T>> {
    const asked: Asked<T> = { ...options, ctx, key: cacheKey(ctx, strategy, name), load };
    const kept = this.enabled ? this.#memory.get(asked.key.text, this.#bus.epoch) : undefined;
    if (kept && covers(kept.origin, ctx)) return { ...this.#hit(asked, kept), value: this.#memory.valueOf(kept) as T };
    const { packed, from, ageMs } = await this.#obtain(asked, kept);
    return { value: unpack<T>(packed), from, ageMs };
  }

  /**
   * What memory has of it, frozen and the same object for as long as it is kept, where it is good for the asker: for whoever can
   * answer at once. Undefined as well in the last fifth of its time, so that somebody asks who can load it again.
   */
  inMemory<T extends object>(ctx: TenantContext, strategy: StrategyName, name: string): T | undefined {
    if (!this.enabled) return undefined;
    const key = cacheKey(ctx, strategy, name);
    const kept = this.#memory.get(key.text, this.#bus.epoch);
    if (!kept || !covers(kept.origin, ctx) || !isSharable(kept.packed)) return undefined;
    const { ttlMs } = kept.origin;
    if (isDue({ leftMs: kept.freshUntil - this.parts.clock.now(), ttlMs, costMs: 0 }, 0)) return undefined;
    const value = this.#memory.valueOf(kept);
    if (typeof value !== 'object' || value === null) return undefined;
    this.#countHit(key);
    if (this.#kept[strategy].strategy.warmed) this.#accesses.noteHit(key);
    return value as T;
  }

  /**
   * After the change has committed. From now on this process loads anew, others at most a second later; what is being
   * loaded now is kept nowhere. Never rejects: where Redis is away, it hears of it when it is back.
   */
  forget(ctx: TenantContext, strategy: StrategyName, name: string): Promise<void> {
    return this.#forget(cacheKey(ctx, strategy, name).text);
  }

  /** As `forget`, for every entry that has the tag; its cost is that of one. */
  forgetTag({ tenant }: TenantContext, tag: string): Promise<void> {
    return this.#forget(scopes.ofTag(tenant.id, tag));
  }

  /** As `forget`, for all that a tenant has under a strategy; its cost is that of one. */
  forgetStrategy({ tenant }: TenantContext, strategy: StrategyName): Promise<void> {
    return this.#forget(scopes.ofStrategy(tenant.id, strategy));
  }

  /** As `forget`, for all of a tenant; its cost is that of one. */
  forgetTenant({ tenant }: TenantContext): Promise<void> {
    return this.#forget(scopes.ofTenant(tenant.id));
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

  /** Tells Redis what was asked for since the last time; it is done with every tenth beat anyway. */
  flushAccesses(): Promise<void> {
    return this.#accesses.flush();
  }

  onModuleInit(): void {
    if (!this.enabled) return;
    let beats = 0;
    this.#bus.start(() => {
      beats += 1;
      void this.#redis.settle();
      this.#hitRates.beat();
      if (beats % 10 === 0) void this.#accesses.flush();
    });
  }

  beforeApplicationShutdown(): void {
    this.#bus.stop();
  }

  /** `older`: what is in memory, and lies before a write that the asker has seen. */
  async #obtain<T>(asked: Asked<T>, older: Kept | undefined): Promise<Obtained> {
    if (!this.enabled) return this.#loading.direct(asked);
    const { key } = asked;
    this.#counts.count(key.strategy, 'memory', older ? 'older' : 'miss');
    if (older) this.#memory.drop(key.text);
    if (this.#counted(asked)) this.#accesses.noteMiss(key);
    const flight = this.#flights.get(key.text);
    return flight && this.#mayJoin(flight, asked) ? this.#join(flight, asked) : this.#fly(asked);
  }

  #countHit({ strategy, tenantId }: CacheKey): void {
    this.#counts.count(strategy, 'memory', 'hit');
    this.#counts.countTenant(tenantId, 'hits');
  }

  #hit<T>(asked: Asked<T>, { packed, origin, freshUntil }: Kept): Omit<Obtained, 'packed'> {
    const { key } = asked;
    this.#countHit(key);
    if (this.#counted(asked)) this.#accesses.noteHit(key);
    const leftMs = freshUntil - this.parts.clock.now();
    this.#loading.renewWhereDue(asked, origin, packed, leftMs);
    return { from: 'memory', ageMs: Math.max(0, origin.ttlMs - leftMs) };
  }

  /** What is loaded ahead is no sign that somebody wants it. */
  #counted<T>({ ctx, key }: Asked<T>): boolean {
    const warmer = ctx.actor.kind === 'system' && ctx.actor.name === warmerName;
    return this.#kept[key.strategy].strategy.warmed && !warmer;
  }

  #mayJoin<T>({ mark, ctx }: Flight, asked: Asked<T>): boolean {
    const { text } = asked.key;
    return this.#memory.intact([text, anyOf(text)], mark) && covers({ seen: seenBy(ctx) }, asked.ctx);
  }

  /** Waits with the others; where that load fails, one of them tries once more for those that are left. */
  async #join<T>(flight: Flight, asked: Asked<T>): Promise<Obtained> {
    this.#counts.count(asked.key.strategy, 'flight', 'joined');
    try {
      return await flight.obtained;
    } catch {
      const next = this.#flights.get(asked.key.text);
      return next && this.#mayJoin(next, asked) ? next.obtained : this.#fly(asked);
    }
  }

  #fly<T>(asked: Asked<T>): Promise<Obtained> {
    const { text } = asked.key;
    const mark = this.#memory.mark;
    const obtained = this.#loading.obtain(asked).finally(() => {
      if (this.#flights.get(text)?.obtained === obtained) this.#flights.delete(text);
    });
    this.#flights.set(text, { mark, ctx: asked.ctx, obtained });
    return obtained;
  }

  async #forget(scope: string): Promise<void> {
    this.#memory.forget(scope);
    if (this.enabled && (await this.#redis.remove(scope))) await this.#bus.forget(scope);
  }

  #keep(name: StrategyName): Shelf {
    const { config, crypto, log, clock } = this.parts;
    const strategy = strategyOf(name, config);
    const parts = {
      name,
      strategy,
      clock,
      memory: this.#memory,
      redis: this.#redis,
      bus: this.#bus,
      wire: new WireForm(name, strategy, crypto),
      counts: this.#counts,
      log: log.child({ component: 'cache' }),
    };
    return { strategy, facade: facadeOf([memoryTier(parts), redisTier(parts)]) };
  }
}
