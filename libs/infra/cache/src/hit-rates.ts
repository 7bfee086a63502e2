import type { Clock, Instant } from '#infra/kernel';
import type { Log } from '#infra/telemetry';
import type { Counts } from './counts.js';
import { type StrategyName, strategyNames } from './strategies.js';

const everyMs = 60_000;

/** One line a minute for each strategy that was asked for anything: how often it had it. */
export class HitRates {
  readonly #told = new Map<StrategyName, { readonly hits: number; readonly misses: number }>();
  #toldAt: Instant;

  constructor(
    private readonly counts: Counts,
    private readonly log: Log,
    private readonly clock: Clock,
  ) {
    this.#toldAt = clock.now();
  }

  beat(): void {
    const now = this.clock.now();
    if (now - this.#toldAt < everyMs) return;
    this.#toldAt = now;
    for (const strategy of strategyNames) this.#tell(strategy);
  }

  #tell(strategy: StrategyName): void {
    const { counts } = this;
    const all = {
      hits: counts.of(strategy, 'memory', 'hit') + counts.of(strategy, 'redis', 'hit'),
      misses: counts.of(strategy, 'source', 'loaded') + counts.of(strategy, 'source', 'failed'),
    };
    const told = this.#told.get(strategy) ?? { hits: 0, misses: 0 };
    this.#told.set(strategy, all);
    const hits = all.hits - told.hits;
    const misses = all.misses - told.misses;
    if (hits + misses === 0) return;
    const ratio = Math.round((hits / (hits + misses)) * 10_000) / 10_000;
    this.log.info('cache.hit_rate', { component: 'cache', strategy, hits, misses, ratio });
  }
}
