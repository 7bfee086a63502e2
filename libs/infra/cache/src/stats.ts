import type { Instant, TenantId } from '#infra/kernel';
import type { CacheConfig } from './cache.config.js';
import type { Counts, HitCounts } from './counts.js';
import type { Memory, Occupancy } from './memory.js';
import { type Strategy, type StrategyName, strategyNames, strategyOf } from './strategies.js';

export interface HitRate extends HitCounts {
  /** Hits among hits and misses; null before the first read. */
  readonly hitRate: number | null;
}

export interface StrategyStats extends HitRate, Strategy {
  /** Reads that waited for the load of another one; neither hits nor misses. */
  readonly joined: number;
  /** Reads that waited for the load of another process. */
  readonly waited: number;
  /** Reads that were answered with an entry whose time was over. */
  readonly late: number;
  /** Entries loaded again before they ended. */
  readonly renewed: number;
  readonly memory: HitCounts & Occupancy;
  readonly redis: HitCounts & {
    readonly refused: number;
    readonly away: number;
    readonly errors: number;
    readonly bytesRead: number;
    readonly bytesWritten: number;
  };
}

/** What this process has seen of the cache since it began. */
export interface CacheStats {
  readonly enabled: boolean;
  readonly since: Instant;
  /** Whether changes that other processes make are heard of here. */
  readonly hears: boolean;
  readonly redis: 'up' | 'away';
  readonly memory: Occupancy & { readonly maxEntries: number; readonly maxBytes: number };
  readonly strategies: Readonly<Record<StrategyName, StrategyStats>>;
  readonly tenant: HitRate;
}

interface Sources {
  readonly enabled: boolean;
  readonly since: Instant;
  readonly hears: boolean;
  readonly redisAway: boolean;
  readonly config: CacheConfig;
  readonly counts: Counts;
  readonly memory: Memory;
  readonly tenantId: TenantId;
}

export function statsOf(sources: Sources): CacheStats {
  const { enabled, since, hears, redisAway, config, counts, memory, tenantId } = sources;
  const strategies = strategyNames.map((name) => [name, strategyStats(sources, name)] as const);
  return {
    enabled,
    since,
    hears,
    redis: redisAway ? 'away' : 'up',
    memory: { ...memory.total, maxEntries: config.memoryMaxEntries, maxBytes: config.memoryMaxBytes },
    strategies: Object.fromEntries(strategies) as Record<StrategyName, StrategyStats>,
    tenant: rated(counts.ofTenant(tenantId)),
  };
}

function strategyStats({ config, counts, memory }: Sources, name: StrategyName): StrategyStats {
  const inMemory = { hits: counts.of(name, 'memory', 'hit'), misses: counts.of(name, 'memory', 'miss') };
  const inRedis = { hits: counts.of(name, 'redis', 'hit'), misses: counts.of(name, 'redis', 'miss') };
  const loads = counts.of(name, 'source', 'loaded') + counts.of(name, 'source', 'failed');
  return {
    ...strategyOf(name, config),
    ...rated({ hits: inMemory.hits + inRedis.hits, misses: loads }),
    joined: counts.of(name, 'flight', 'joined'),
    waited: counts.of(name, 'flight', 'waited'),
    late: counts.of(name, 'late', 'served'),
    renewed: counts.of(name, 'source', 'renewed'),
    memory: { ...inMemory, ...memory.occupancy(name) },
    redis: {
      ...inRedis,
      refused: counts.of(name, 'redis', 'refused'),
      away: counts.of(name, 'redis', 'away'),
      errors: counts.of(name, 'redis', 'error'),
      bytesRead: counts.bytesOf(name, 'read'),
      bytesWritten: counts.bytesOf(name, 'written'),
    },
  };
}

function rated({ hits, misses }: HitCounts): HitRate {
  const reads = hits + misses;
  return { hits, misses, hitRate: reads === 0 ? null : Math.round((hits / reads) * 10_000) / 10_000 };
}
