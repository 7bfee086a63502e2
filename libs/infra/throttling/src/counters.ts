import type { Instant } from '#infra/kernel';
import type { Algorithm, Counter, Rule, RuleState } from './rule.js';
import { SlidingWindow } from './sliding-window.js';

/** Windows since 1970: all of them end at once, for everybody. */
export class FixedWindow implements Counter {
  private window = -1;
  private used = 0;

  look({ limit, windowMs }: Rule, now: Instant, cost: number): RuleState {
    const window = Math.floor(now / windowMs);
    const used = window === this.window ? this.used : 0;
    const leftMs = (window + 1) * windowMs - now;
    return {
      remaining: Math.max(0, limit - used),
      resetMs: used > 0 ? leftMs : 0,
      waitMs: used + cost <= limit ? 0 : leftMs,
    };
  }

  take({ windowMs }: Rule, now: Instant, cost: number): void {
    const window = Math.floor(now / windowMs);
    this.used = (window === this.window ? this.used : 0) + cost;
    this.window = window;
  }
}

/** Its level counts in tokens × windowMs, so that a millisecond brings `limit` of them and nothing is ever rounded. */
export class TokenBucket implements Counter {
  private level: number | undefined;
  private at: Instant = 0;

  look({ limit, windowMs }: Rule, now: Instant, cost: number): RuleState {
    const level = this.levelAt({ limit, windowMs }, now);
    const remaining = Math.max(0, Math.floor(level / windowMs));
    const needed = cost * windowMs;
    return {
      remaining,
      resetMs: remaining < limit ? Math.ceil(((remaining + 1) * windowMs - level) / limit) : 0,
      waitMs: level >= needed ? 0 : Math.ceil((needed - level) / limit),
    };
  }

  take({ limit, windowMs }: Rule, now: Instant, cost: number): void {
    this.level = this.levelAt({ limit, windowMs }, now) - cost * windowMs;
    this.at = now;
  }

  private levelAt({ limit, windowMs }: Pick<Rule, 'limit' | 'windowMs'>, now: Instant): number {
    const full = limit * windowMs;
    return this.level === undefined ? full : Math.min(full, this.level + Math.max(0, now - this.at) * limit);
  }
}

const microsPerMs = 1_000;

/** Generic cell rate algorithm: one field, the moment (in µs) at which the whole allowance is there again. */
export class Gcra implements Counter {
  private wholeAtUs = 0;

  look(rule: Rule, now: Instant, cost: number): RuleState {
    const stepUs = stepOf(rule);
    const aheadUs = Math.max(0, this.wholeAtUs - now * microsPerMs);
    const remaining = Math.max(0, Math.floor((rule.limit * stepUs - aheadUs) / stepUs));
    const overUs = aheadUs + cost * stepUs - rule.limit * stepUs;
    const nextUs = aheadUs - (rule.limit - remaining - 1) * stepUs;
    return {
      remaining,
      resetMs: aheadUs > 0 && remaining < rule.limit ? Math.ceil(nextUs / microsPerMs) : 0,
      waitMs: overUs <= 0 ? 0 : Math.ceil(overUs / microsPerMs),
    };
  }

  take(rule: Rule, now: Instant, cost: number): void {
    this.wholeAtUs = Math.max(now * microsPerMs, this.wholeAtUs) + cost * stepOf(rule);
  }
}

const stepOf = ({ limit, windowMs }: Rule): number => Math.ceil((windowMs * microsPerMs) / limit);

const counters = {
  sliding: SlidingWindow,
  fixed: FixedWindow,
  bucket: TokenBucket,
  gcra: Gcra,
} as const satisfies Readonly<Record<Algorithm, new () => Counter>>;

export const newCounter = (algorithm: Algorithm): Counter => new counters[algorithm]();
