import type { Clock } from '#infra/kernel';
import type { Log } from '#infra/telemetry';
import type { Bus } from './bus.js';
import type { Counts } from './counts.js';
import { type Entry, type Found, unknownVacancy, type Value } from './entry.js';
import type { TierStore } from './facade.js';
import { type CacheKey, scopes, tenantOf } from './key.js';
import type { Memory } from './memory.js';
import type { RedisTier } from './redis-tier.js';
import type { Strategy, StrategyName } from './strategies.js';
import { valueMaxBytes, type WireForm } from './wire-form.js';

/** While nobody can tell whether messages arrive, what may change stays in memory no longer than this. */
export const deafTtlMs = 1_000;

export interface TierParts {
  readonly name: StrategyName;
  readonly strategy: Strategy;
  readonly memory: Memory;
  readonly redis: RedisTier;
  readonly bus: Bus;
  readonly wire: WireForm;
  readonly counts: Counts;
  readonly log: Log;
  readonly clock: Clock;
}

export function memoryTier({ name, strategy, memory, bus, clock }: TierParts): TierStore {
  const usualMs = strategy.memoryTtlS * 1_000;
  return {
    get: async (key) => {
      const kept = memory.get(key, bus.epoch);
      const leftMs = kept ? kept.freshUntil - clock.now() : 0;
      return kept && { kind: 'held', packed: kept.packed, origin: kept.origin, leftMs, clockUs: null };
    },
    set: async (key, { packed, origin, epoch, mark }, ttlMs) => {
      if (epoch !== bus.epoch && !strategy.immutable) return;
      const mostMs = strategy.immutable || bus.hears ? usualMs : Math.min(usualMs, deafTtlMs);
      const concerned = scopesOf(tenantOf(key), name, origin.tags);
      const freshUntil = clock.now() + ttlMs;
      const held = { strategy: name, packed, origin, mark, freshUntil, scopes: concerned };
      memory.put(key, { ...held, epoch: strategy.immutable ? null : epoch }, Math.min(mostMs, ttlMs));
    },
    delete: async (key) => memory.forget(key),
  };
}

/** Everything that an entry is forgotten with, its own key aside. */
const scopesOf = (tenantId: CacheKey['tenantId'], name: StrategyName, tags: readonly string[]): readonly string[] => [
  scopes.ofTenant(tenantId),
  scopes.ofStrategy(tenantId, name),
  ...tags.map((tag) => scopes.ofTag(tenantId, tag)),
];

export function redisTier(parts: TierParts): TierStore {
  const { name, redis, strategy } = parts;
  const keyOf = (text: string): CacheKey => ({ text, tenantId: tenantOf(text), strategy: name, name: '' });
  return {
    get: (text) => readRedis(parts, keyOf(text)),
    set: async (text, entry, ttlMs) => {
      const { clockUs, tags } = entry.origin;
      const value = clockUs === 0 || redis.away ? undefined : await toWrite(parts, text, entry);
      if (value === undefined) return;
      const lateTtlMs = strategy.graceS === 0 ? 0 : ttlMs + Math.min(ttlMs, strategy.graceS * 1_000);
      const storing = { clockUs, value, ttlMs, lateTtlMs, tags, claim: entry.claim };
      if (await redis.store(keyOf(text), storing)) parts.counts.countBytes(name, 'written', value.length);
    },
    delete: async (text) => void (await redis.remove(text)),
  };
}

async function readRedis(parts: TierParts, key: CacheKey): Promise<Found> {
  const { name, redis, strategy, counts } = parts;
  const reading = await redis.read(key, strategy.graceS > 0);
  if (reading.kind === 'away' || reading.kind === 'error') {
    counts.count(name, 'redis', reading.kind);
    return unknownVacancy;
  }
  const { clockUs } = reading;
  if (reading.kind === 'none') {
    counts.count(name, 'redis', 'miss');
    const late = reading.late && (await opened(parts, key, reading.late.value));
    const vacant = { kind: 'vacant', clockUs, claim: reading.claim } as const;
    if (typeof late !== 'object') return vacant;
    return { ...vacant, late: { ...late, ageMs: lateAgeMs(strategy, late, reading.late?.leftMs ?? 0) } };
  }
  counts.countBytes(name, 'read', reading.value.length);
  const value = await opened(parts, key, reading.value);
  if (value === 'unreadable') return unknownVacancy;
  counts.count(name, 'redis', value === 'refused' ? 'refused' : 'hit');
  if (value === 'refused') return { kind: 'vacant', clockUs: null, claim: null, refused: true };
  return { kind: 'held', ...value, leftMs: Math.max(0, reading.leftMs), clockUs };
}

const lateAgeMs = ({ graceS }: Strategy, { origin }: Value, leftMs: number): number =>
  Math.max(0, origin.ttlMs + Math.min(origin.ttlMs, graceS * 1_000) - leftMs);

async function opened(
  { name, wire, counts, log }: TierParts,
  { text }: CacheKey,
  stored: Buffer,
): Promise<Value | 'refused' | 'unreadable'> {
  try {
    const read = await wire.read(text, stored);
    return read.kind === 'value' ? { packed: read.packed, origin: read.origin } : 'refused';
  } catch (error) {
    counts.count(name, 'redis', 'error');
    log.warn('cache.unreadable', { strategy: name, error });
    return 'unreadable';
  }
}

/** Undefined where the value is too large or cannot be sealed now: it is answered all the same. */
async function toWrite({ name, wire, log }: TierParts, text: string, { packed, origin }: Entry) {
  if (packed.length > valueMaxBytes) return undefined;
  try {
    return await wire.write(text, { packed, origin });
  } catch (error) {
    log.warn('cache.unwritable', { strategy: name, error });
    return undefined;
  }
}
