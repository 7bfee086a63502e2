import { LRUCache } from 'lru-cache';
import type { Clock, Instant } from '#infra/kernel';
import type { Charge, ChargeGroup } from './charges.js';
import type { GroupAnswer } from './local-windows.js';
import type { RuleState } from './rule.js';

const maxDenials = 100_000;
/** A block that an administrator lifts is forgotten everywhere after this long. */
const blockKnownMs = 10_000;

interface Denial {
  readonly until: Instant;
  /** Of the rule and the call that were refused: a higher limit or a smaller call asks anew. */
  readonly limit: number;
  readonly cost: number;
}

/** Who was refused is refused here until it is worth asking again, without a round trip. */
export class Denials {
  private readonly byKey = new LRUCache<string, Denial>({ max: maxDenials });

  constructor(private readonly clock: Clock) {}

  get isEmpty(): boolean {
    return this.byKey.size === 0;
  }

  note({ charges, abuse }: ChargeGroup, { states, blockedMs = 0 }: GroupAnswer): void {
    const now = this.clock.now();
    if (blockedMs > 0 && abuse !== undefined)
      this.byKey.set(abuse, { until: now + Math.min(blockedMs, blockKnownMs), limit: blockedMs + now, cost: 0 });
    for (const [n, { key, rule, cost }] of charges.entries()) {
      const waitMs = states[n]?.waitMs ?? 0;
      if (waitMs > 0) this.byKey.set(key, { until: now + waitMs, limit: rule.limit, cost });
    }
  }

  /** The answer that Redis would give, where it is known. */
  find({ charges, abuse }: ChargeGroup): GroupAnswer | undefined {
    if (this.isEmpty) return undefined;
    const now = this.clock.now();
    const block = abuse === undefined ? undefined : this.byKey.get(abuse);
    const isBlocked = block !== undefined && block.until > now;
    const waits = charges.map((charge) => this.waitOf(charge, now));
    if (!isBlocked && waits.every((waitMs) => waitMs === 0)) return undefined;
    const states = charges.map(({ rule }, n): RuleState => {
      const waitMs = waits[n] ?? 0;
      return { remaining: waitMs > 0 ? 0 : rule.limit, resetMs: waitMs, waitMs };
    });
    return { at: now, taken: false, states, ...(isBlocked ? { blockedMs: block.limit - now } : {}) };
  }

  /** Lets it ask again in this process. */
  forget(key: string): void {
    this.byKey.delete(key);
  }

  private waitOf({ key, rule, cost }: Charge, now: Instant): number {
    const denial = this.byKey.get(key);
    if (denial === undefined || denial.until <= now || denial.limit !== rule.limit || cost < denial.cost) return 0;
    return denial.until - now;
  }
}
