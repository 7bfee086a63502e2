import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, type Instant, isAppError, type TenantContext } from '#infra/kernel';
import type { Bus } from './bus.js';
import { fail } from './cache.errors.js';
import type { Counts } from './counts.js';
import { covers, type Found, type Origin, seenBy, unknownVacancy } from './entry.js';
import type { Facade } from './facade.js';
import { type CacheKey, scopes, tagsMax } from './key.js';
import type { Memory } from './memory.js';
import { isNothing, pack } from './packing.js';
import type { RedisTier } from './redis-tier.js';
import { isDue } from './renewal.js';
import { absentTtlS, jittered, type Strategy, type StrategyName } from './strategies.js';

/** What took longer to load is answered and not kept: a forgetting may have been forgotten meanwhile. */
export const loadMaxMs = 30_000;
/** Another process that loads the same is waited for this often, for a second in all. */
export const pollsMax = 20;
export const pollMs = 50;
/** Loads ahead that run in a process at once; more are left to whoever asks next. */
export const renewalsMax = 16;
const renewalDeadlineMs = 5_000;
/** Versions live twice as long. */
const ttlMaxS = 86_400;

/** Asks the source. The context is the asker's, or ours where the entry is loaded ahead of its end. */
export type Load<T> = (ctx: TenantContext) => Promise<T>;

export interface Options<T> {
  /** What the value is forgotten with, besides its own key: at most 8. */
  readonly tags?: (value: T) => readonly string[];
  /** Instead of the strategy's; a day at most. */
  readonly ttlS?: number;
}

export interface Asked<T> extends Options<T> {
  readonly ctx: TenantContext;
  readonly key: CacheKey;
  readonly load: Load<T>;
}

export interface Obtained {
  readonly packed: Buffer;
  /** `late`: its time was over, and its source away or too slow. */
  readonly from: 'memory' | 'redis' | 'source' | 'late';
  readonly ageMs: number;
}

export interface LoadingParts {
  readonly kept: Readonly<Record<StrategyName, { readonly strategy: Strategy; readonly facade: Facade }>>;
  readonly memory: Memory;
  readonly redis: RedisTier;
  readonly bus: Bus;
  readonly counts: Counts;
  readonly clock: Clock;
  readonly onRefused: (asked: Asked<unknown>) => void;
}

/** Before anything was read: what was missed or forgotten since makes what is read not worth keeping. */
interface Start {
  readonly epoch: number;
  readonly mark: number;
  readonly at: Instant;
}

type Vacant = Extract<Found, { kind: 'vacant' }>;
type HeldThere = Extract<Found, { kind: 'held' }>;

/** What happens where memory has nothing: Redis, another process that is loading, the source, and what is late. */
export class Loading {
  readonly #renewing = new Set<string>();

  constructor(private readonly parts: LoadingParts) {}

  async obtain<T>(asked: Asked<T>): Promise<Obtained> {
    const start = this.#start();
    let found = await this.#look(asked);
    for (let polls = 0; found.kind === 'vacant' && this.#mayWait(asked, found); polls += 1) {
      if (polls === 0) this.parts.counts.count(asked.key.strategy, 'flight', 'waited');
      if (polls === pollsMax) return this.#late(asked, found) ?? this.#load(asked, start, found);
      await sleep(pollMs);
      found = await this.#look(asked);
    }
    if (found.kind === 'held') return this.#shared(asked, start, found);
    if (found.refused) this.parts.onRefused(asked as Asked<unknown>);
    return this.#load(asked, start, found);
  }

  /** Past every tier. */
  async direct<T>(asked: Asked<T>): Promise<Obtained> {
    return { packed: pack(await this.#ask(asked)), from: 'source', ageMs: 0 };
  }

  /** Loads anew what is still fresh, while it is answered: in one process, once. Failure costs nobody anything. */
  renewWhereDue<T>(asked: Asked<T>, { ttlMs, costMs }: Origin, packed: Buffer, leftMs: number): void {
    const { immutable } = this.parts.kept[asked.key.strategy].strategy;
    if (!immutable && !isNothing(packed) && isDue({ leftMs, ttlMs, costMs }, Math.random())) void this.#ahead(asked);
  }

  async #ahead<T>(asked: Asked<T>): Promise<void> {
    const { key } = asked;
    if (this.#renewing.size >= renewalsMax || this.#renewing.has(key.text)) return;
    this.#renewing.add(key.text);
    try {
      await this.#renew({ ...asked, ctx: this.#ownContext(asked.ctx) });
    } finally {
      this.#renewing.delete(key.text);
    }
  }

  async #renew<T>(asked: Asked<T>): Promise<void> {
    const { redis, counts } = this.parts;
    const { key, ctx } = asked;
    const claim = await redis.claim(key);
    if (claim === null) return;
    const start = this.#start();
    const reading = await redis.read(key, false);
    try {
      if (reading.kind === 'away' || reading.kind === 'error') return;
      const value = await asked.load(ctx);
      counts.count(key.strategy, 'source', 'renewed');
      await this.#keep(asked, start, { clockUs: reading.clockUs, claim }, value);
    } catch {
      counts.count(key.strategy, 'source', 'failed');
      await redis.release(key, claim);
    }
  }

  /** Ours to load, another process's, or unknown to everybody. */
  #mayWait<T>({ ctx }: Asked<T>, { clockUs, claim, refused }: Vacant): boolean {
    const wantsNewer = (ctx.consistency?.seen ?? null) !== null;
    return clockUs !== null && claim === null && refused === undefined && !wantsNewer;
  }

  async #look<T>({ key, ctx }: Asked<T>): Promise<Found> {
    const found = (await this.#facade(key).get<Found>(key.text)) ?? unknownVacancy;
    if (found.kind === 'vacant' || covers(found.origin, ctx)) return found;
    this.parts.counts.count(key.strategy, 'redis', 'older');
    return { kind: 'vacant', clockUs: found.clockUs, claim: null };
  }

  async #shared<T>(asked: Asked<T>, start: Start, { packed, origin, leftMs }: HeldThere): Promise<Obtained> {
    const { key } = asked;
    this.parts.counts.countTenant(key.tenantId, 'hits');
    this.renewWhereDue(asked, origin, packed, leftMs);
    const entry = { packed, origin, epoch: start.epoch, mark: start.mark, claim: null };
    await this.#facade(key).stores[0]?.set(key.text, entry, leftMs);
    return { packed, from: 'redis', ageMs: Math.max(0, origin.ttlMs - leftMs) };
  }

  async #load<T>(asked: Asked<T>, start: Start, found: Vacant): Promise<Obtained> {
    const { clockUs, claim } = found;
    const at = this.parts.clock.now();
    try {
      const value = await this.#ask(asked);
      const packed = await this.#keep(asked, { ...start, at }, { clockUs, claim }, value);
      return { packed, from: 'source', ageMs: 0 };
    } catch (error) {
      if (claim !== null) await this.parts.redis.release(asked.key, claim);
      const late = isAway(error) ? this.#late(asked, found) : undefined;
      if (late) return late;
      throw error;
    }
  }

  async #ask<T>({ key, load, ctx }: Asked<T>): Promise<T> {
    const { counts } = this.parts;
    counts.countTenant(key.tenantId, 'misses');
    try {
      const value = await load(ctx);
      counts.count(key.strategy, 'source', 'loaded');
      return value;
    } catch (error) {
      counts.count(key.strategy, 'source', 'failed');
      throw error;
    }
  }

  #late<T>({ key, ctx }: Asked<T>, { late }: Vacant): Obtained | undefined {
    if (late === undefined || !covers(late.origin, ctx)) return undefined;
    this.parts.counts.count(key.strategy, 'late', 'served');
    return { packed: late.packed, from: 'late', ageMs: late.ageMs };
  }

  async #keep<T>(
    { ctx, key, tags, ttlS }: Asked<T>,
    { at, epoch, mark }: Start,
    { clockUs, claim }: { readonly clockUs: number | null; readonly claim: string | null },
    value: T,
  ): Promise<Buffer> {
    const { kept, clock } = this.parts;
    const packed = pack(value);
    const costMs = clock.now() - at;
    if (costMs > loadMaxMs) return packed;
    const lives = isNothing(packed) ? absentTtlS : Math.min(ttlS ?? kept[key.strategy].strategy.ttlS, ttlMaxS);
    const origin: Origin = {
      clockUs: clockUs ?? 0,
      ttlMs: jittered(lives, Math.random()),
      costMs,
      seen: seenBy(ctx),
      tags: isNothing(packed) ? [] : checked(key, tags?.(value) ?? []),
    };
    await this.#facade(key).set(key.text, { packed, origin, epoch, mark, claim }, origin.ttlMs);
    return packed;
  }

  #facade({ strategy }: CacheKey): Facade {
    return this.parts.kept[strategy].facade;
  }

  #start(): Start {
    const { bus, memory, clock } = this.parts;
    return { epoch: bus.epoch, mark: memory.mark, at: clock.now() };
  }

  /** The asker may be gone when the load ends, and it is nobody's write that the load must see. */
  #ownContext({ consistency: _, idempotency: __, ...ctx }: TenantContext): TenantContext {
    return { ...ctx, deadline: this.parts.clock.now() + renewalDeadlineMs };
  }
}

/** Throws cache.key_invalid where there are more than 8, or one has letters that a tag has not. */
function checked({ tenantId }: CacheKey, tags: readonly string[]): readonly string[] {
  if (tags.length > tagsMax) throw fail('cache.key_invalid', { internal: `more than ${tagsMax} tags` });
  for (const tag of tags) scopes.ofTag(tenantId, tag);
  return tags;
}

/** Nobody can say what the source would say. Anything else is an answer of the source. */
const isAway = (error: unknown): boolean =>
  isAppError(error) && (error.kind === 'unavailable' || error.kind === 'timeout');
