import { LRUCache } from 'lru-cache';
import type { Clock, Instant } from '#infra/kernel';
import type { Charge, ChargeGroup } from './charges.js';
import { newCounter } from './counters.js';
import type { Counter, RuleState } from './rule.js';

/** What became of one group: taken from all of its counts, or from none; states in the order of the charges. */
export interface GroupAnswer {
  /** When, by the clock that counted. */
  readonly at: Instant;
  readonly taken: boolean;
  readonly states: readonly RuleState[];
  /** For how long its subject is blocked; absent when it is not. */
  readonly blockedMs?: number;
  /** This very call was what blocked it. */
  readonly blockedNow?: true;
  /** Counted by this process alone. */
  readonly local?: true;
  /** By less than the whole limit. */
  readonly reduced?: true;
}

const maxWindows = 50_000;

/** Counts of this process alone, for the time without Redis. Past 50,000 the least recently used are forgotten. */
export class LocalWindows {
  private readonly counters = new LRUCache<string, Counter>({ max: maxWindows });

  constructor(private readonly clock: Clock) {}

  consume({ charges }: ChargeGroup): GroupAnswer {
    const now = this.clock.now();
    const before = charges.map((charge) => this.counterOf(charge).look(charge.rule, now, charge.cost));
    const taken = before.every(({ waitMs }) => waitMs === 0);
    if (!taken) return { at: now, taken, states: before };
    for (const charge of charges) this.counterOf(charge).take(charge.rule, now, charge.cost);
    const states = charges.map((charge) => ({ ...this.counterOf(charge).look(charge.rule, now, 1), waitMs: 0 }));
    return { at: now, taken, states };
  }

  private counterOf({ key, rule }: Charge): Counter {
    const counter = this.counters.get(key) ?? newCounter(rule.algorithm);
    this.counters.set(key, counter);
    return counter;
  }
}
