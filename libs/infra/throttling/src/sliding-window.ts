import type { Instant } from '#infra/kernel';
import type { Counter, RuleState } from './rule.js';

/** A window is counted in this many slots, plus the one that is just leaving it: memory is the same for any limit. */
export const slotsPerWindow = 20;

interface Window {
  readonly limit: number;
  readonly windowMs: number;
}

const slotMs = (windowMs: number): number => Math.ceil(windowMs / slotsPerWindow);

/**
 * Counts what one subject did under one rule. Promised: no stretch of `windowMs` ever holds more than `limit`, and nothing
 * is refused unless `limit` was used in the last `windowMs` plus one slot. `consume.lua` is the same in Redis.
 */
export class SlidingWindow implements Counter {
  private readonly counts = new Map<number, number>();

  look({ limit, windowMs }: Window, now: Instant, cost: number): RuleState {
    const width = slotMs(windowMs);
    this.forgetBefore(Math.floor(now / width) - slotsPerWindow);
    const slots = [...this.counts].sort(([a], [b]) => a - b);
    const leavesInMs = (slot: number) => (slot + slotsPerWindow + 1) * width - now;
    let left = limit - slots.reduce((sum, [, count]) => sum + count, 0);
    const state = { remaining: Math.max(0, left), resetMs: slots[0] ? leavesInMs(slots[0][0]) : 0 };
    if (left >= cost) return { ...state, waitMs: 0 };
    for (const [slot, count] of slots) {
      left += count;
      if (left >= cost) return { ...state, waitMs: leavesInMs(slot) };
    }
    return { ...state, waitMs: (slotsPerWindow + 1) * width };
  }

  take({ windowMs }: Window, now: Instant, cost: number): void {
    const slot = Math.floor(now / slotMs(windowMs));
    this.counts.set(slot, (this.counts.get(slot) ?? 0) + cost);
  }

  private forgetBefore(oldest: number): void {
    for (const slot of this.counts.keys()) if (slot < oldest) this.counts.delete(slot);
  }
}
