import { LRUCache } from 'lru-cache';
import type { Clock, Instant } from '#infra/kernel';
import type { Charge, ChargeGroup } from './charges.js';
import { SlidingWindow, type WindowState } from './sliding-window.js';

/** What became of one group: taken from all of its windows, or from none; states in the order of the charges. */
export interface GroupAnswer {
  /** When, by the clock that counted. */
  readonly at: Instant;
  readonly taken: boolean;
  readonly states: readonly WindowState[];
}

const maxWindows = 50_000;

/** Windows of this process alone, for the time without Redis. Past 50,000 the least recently used are forgotten. */
export class LocalWindows {
  private readonly windows = new LRUCache<string, SlidingWindow>({ max: maxWindows });

  constructor(private readonly clock: Clock) {}

  consume(group: ChargeGroup, cost: number): GroupAnswer {
    const now = this.clock.now();
    const before = group.map((charge) => this.windowOf(charge).look(charge, now, cost));
    const taken = before.every(({ waitMs }) => waitMs === 0);
    if (!taken) return { at: now, taken, states: before };
    for (const charge of group) this.windowOf(charge).take(charge, now, cost);
    return {
      at: now,
      taken,
      states: group.map((charge) => ({ ...this.windowOf(charge).look(charge, now, 1), waitMs: 0 })),
    };
  }

  private windowOf({ key }: Charge): SlidingWindow {
    const window = this.windows.get(key) ?? new SlidingWindow();
    this.windows.set(key, window);
    return window;
  }
}
