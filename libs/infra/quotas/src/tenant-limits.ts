import type { Instant, Plan } from '#infra/kernel';
import type { TenantEntry } from '#infra/sharding';
import { type Limit, planLimits, type QuotaResource } from './quota.js';

/** Longer than any process goes on with a directory entry that has changed (60 s), and than clocks differ. */
export const limitsSettleMs = 120_000;

export interface TenantLimit {
  readonly plan: Plan;
  readonly limit: Limit;
  /**
   * Rows that were counted before this instant say nothing: meanwhile somebody may have gone by a plan without limits,
   * under which nobody reckons.
   */
  readonly freshFrom: Instant;
}

type Entry = Pick<TenantEntry, 'plan' | 'quotaOverrides' | 'limitsSince'>;

/**
 * What a tenant may have of a resource. After a change of limits what there is gets counted twice: at once, and when no
 * process can still go by the limits before.
 */
export function limitOf(
  { plan, quotaOverrides, limitsSince }: Entry,
  resource: QuotaResource,
  now: Instant,
): TenantLimit {
  const override = quotaOverrides[resource];
  const limit = override === undefined ? planLimits[plan][resource] : override;
  const settled = limitsSince + limitsSettleMs;
  return { plan, limit, freshFrom: limitsSince === 0 || now < settled ? limitsSince : settled };
}
