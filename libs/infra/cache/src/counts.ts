import { LRUCache } from 'lru-cache';
import type { TenantId } from '#infra/kernel';
import type { Counter, CounterSeries, Metrics } from '#infra/telemetry';
import type { StrategyName } from './strategies.js';

/**
 * What became of a read, tier by tier. Each read is one of `memory`; what missed there is one of `redis`, or joined the
 * flight of another read; what Redis did not have is one of `source`. With the cache switched off there is only `source`.
 */
export const outcomes = {
  /** `older`: there, and not served to somebody who knows of a newer write. */
  memory: ['hit', 'miss', 'older'],
  /** `waited`: for another process. */
  flight: ['joined', 'waited'],
  /** `away`: not connected, or left alone after failures. `refused`: changed by somebody, or not ours. */
  redis: ['hit', 'miss', 'refused', 'away', 'error', 'older'],
  /** `renewed` and `warmed`: before anybody had to wait for it; neither belongs to a read. */
  source: ['loaded', 'failed', 'renewed', 'warmed'],
  /** After its end: the source is away, or another process takes too long. */
  late: ['served'],
} as const;
export type Tier = keyof typeof outcomes;
export type OutcomeOf<T extends Tier> = (typeof outcomes)[T][number];

export interface HitCounts {
  readonly hits: number;
  readonly misses: number;
}

interface Tally {
  number: number;
  readonly series: CounterSeries;
}

/** Tenants with counts of their own in this process; who asked least recently is forgotten. */
const tenantsMax = 10_000;
const none: HitCounts = { hits: 0, misses: 0 };

/** Every read since the process began, for metrics and for whoever looks after the cache. */
export class Counts {
  readonly #metric: Counter<'strategy' | 'tier' | 'result'>;
  readonly #bytes: Counter<'strategy' | 'direction'>;
  readonly #tallies = new Map<StrategyName, Map<string, Map<string, Tally>>>();
  readonly #bytesMoved = new Map<string, number>();
  readonly #tenants = new LRUCache<TenantId, { hits: number; misses: number }>({ max: tenantsMax });

  constructor(metrics: Metrics) {
    this.#metric = metrics.counter('cache_requests_total', 'Reads of the cache by what became of them in each tier.', [
      'strategy',
      'tier',
      'result',
    ]);
    this.#bytes = metrics.counter('cache_redis_bytes_total', 'Bytes of values read from and written to Redis.', [
      'strategy',
      'direction',
    ]);
  }

  count<T extends Tier>(strategy: StrategyName, tier: T, result: OutcomeOf<T>): void {
    const tally = this.#tallies.get(strategy)?.get(tier)?.get(result) ?? this.#begin(strategy, tier, result);
    tally.number += 1;
    tally.series.inc();
  }

  #begin(strategy: StrategyName, tier: Tier, result: string): Tally {
    const ofStrategy = this.#tallies.get(strategy) ?? new Map<string, Map<string, Tally>>();
    const ofTier = ofStrategy.get(tier) ?? new Map<string, Tally>();
    const tally = { number: 0, series: this.#metric.of({ strategy, tier, result }) };
    this.#tallies.set(strategy, ofStrategy.set(tier, ofTier.set(result, tally)));
    return tally;
  }

  countBytes(strategy: StrategyName, direction: 'read' | 'written', bytes: number): void {
    this.#bytes.inc({ strategy, direction }, bytes);
    const name = `${strategy} ${direction}`;
    this.#bytesMoved.set(name, (this.#bytesMoved.get(name) ?? 0) + bytes);
  }

  countTenant(tenantId: TenantId, kind: 'hits' | 'misses'): void {
    const counted = this.#tenants.get(tenantId) ?? { hits: 0, misses: 0 };
    counted[kind] += 1;
    if (counted.hits + counted.misses === 1) this.#tenants.set(tenantId, counted);
  }

  of<T extends Tier>(strategy: StrategyName, tier: T, result: OutcomeOf<T>): number {
    return this.#tallies.get(strategy)?.get(tier)?.get(result)?.number ?? 0;
  }

  bytesOf(strategy: StrategyName, direction: 'read' | 'written'): number {
    return this.#bytesMoved.get(`${strategy} ${direction}`) ?? 0;
  }

  ofTenant(tenantId: TenantId): HitCounts {
    return { ...(this.#tenants.get(tenantId) ?? none) };
  }
}
