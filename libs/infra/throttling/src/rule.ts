import type { Instant } from '#infra/kernel';

/**
 * How requests are counted. `sliding`: no stretch of a window's length holds more than the limit. `fixed`: windows that
 * begin at multiples of their length since 1970. `bucket`: as many at once as the limit, refilled evenly over the window.
 * `gcra`: the same allowance kept as the one moment at which it is whole again.
 */
export const algorithms = ['sliding', 'fixed', 'bucket', 'gcra'] as const;
export type Algorithm = (typeof algorithms)[number];

export interface Rule {
  readonly algorithm: Algorithm;
  readonly limit: number;
  readonly windowMs: number;
}

export interface RuleState {
  /** How much is left now. */
  readonly remaining: number;
  /** Until some of what is counted now comes back; 0 when nothing is counted. */
  readonly resetMs: number;
  /** 0 when the cost fits; otherwise until it would. */
  readonly waitMs: number;
}

/** What one subject did under one rule, in this process; `consume.lua` is the same in Redis. */
export interface Counter {
  look(rule: Rule, now: Instant, cost: number): RuleState;
  take(rule: Rule, now: Instant, cost: number): void;
}
