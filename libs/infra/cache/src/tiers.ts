import type { Log } from '#infra/telemetry';
import type { Bus } from './bus.js';
import type { Counts } from './counts.js';
import { type Entry, type Found, unknownVacancy } from './entry.js';
import type { TierStore } from './facade.js';
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
}

export function memoryTier({ name, strategy, memory, bus }: TierParts): TierStore {
  const usualMs = strategy.memoryTtlS * 1_000;
  return {
    get: async (key) => {
      const packed = memory.get(key, bus.epoch);
      return packed && { kind: 'held', packed, leftMs: 0 };
    },
    set: async (key, { packed, intact, epoch }, ttlMs) => {
      if (!intact() || (epoch !== bus.epoch && !strategy.immutable)) return;
      const mostMs = strategy.immutable || bus.hears ? usualMs : Math.min(usualMs, deafTtlMs);
      const held = { strategy: name, packed, epoch: strategy.immutable ? null : epoch };
      memory.put(key, held, Math.min(mostMs, ttlMs));
    },
    delete: async (key) => memory.delete(key),
  };
}

export function redisTier(parts: TierParts): TierStore {
  const { redis } = parts;
  return {
    get: (key) => readRedis(parts, key),
    set: async (key, entry, ttlMs) => {
      const written = await toWrite(parts, key, entry);
      if (written === undefined || entry.generation === null || !entry.intact()) return;
      if (await redis.store(key, entry.generation, written, ttlMs))
        parts.counts.countBytes(parts.name, 'written', written.length);
    },
    delete: async (key) => void (await redis.remove(key)),
  };
}

async function readRedis({ name, redis, wire, counts, log }: TierParts, key: string): Promise<Found> {
  const reading = await redis.read(key);
  if (reading.kind === 'none') {
    counts.count(name, 'redis', 'miss');
    return { kind: 'vacant', generation: reading.generation };
  }
  if (reading.kind !== 'value') {
    counts.count(name, 'redis', reading.kind);
    return unknownVacancy;
  }
  counts.countBytes(name, 'read', reading.value.length);
  try {
    const opened = await wire.read(key, reading.value);
    counts.count(name, 'redis', opened.kind === 'packed' ? 'hit' : 'refused');
    if (opened.kind === 'packed') return { kind: 'held', packed: opened.packed, leftMs: Math.max(0, reading.leftMs) };
    return { kind: 'vacant', generation: null, refused: true };
  } catch (error) {
    counts.count(name, 'redis', 'error');
    log.warn('cache.unreadable', { strategy: name, error });
    return unknownVacancy;
  }
}

/** Undefined where the value is too large or cannot be sealed now: it is answered all the same. */
async function toWrite({ name, wire, redis, log }: TierParts, key: string, { packed, generation }: Entry) {
  if (generation === null || redis.away || packed.length > valueMaxBytes) return undefined;
  try {
    return await wire.write(key, packed);
  } catch (error) {
    log.warn('cache.unwritable', { strategy: name, error });
    return undefined;
  }
}
