import { type Instant, type Plan, plans, toDate } from '#infra/kernel';

/** What plans limit. `orders`: visits and point-of-sale records; `products`: services of the catalogue; `exams`: clinical notes. */
export const quotaResources = [
  'users',
  'patients',
  'members',
  'orders',
  'products',
  'exams',
  'locations',
  'storageBytes',
] as const;
export type QuotaResource = (typeof quotaResources)[number];

/** Where its things live, and so its row. */
export const placeOf = (resource: QuotaResource): 'directory' | 'shard' =>
  resource === 'users' ? 'directory' : 'shard';

/** Null: as many as wanted. */
export type Limit = number | null;
export type Limits = Readonly<Record<QuotaResource, Limit>>;

const gib = 1024 ** 3;

/** What each plan allows. Orders are those of one calendar month (UTC); of the rest, what there is at one time. */
export const planLimits: Readonly<Record<Plan, Limits>> = {
  FREE: {
    users: 10,
    patients: 100,
    members: 100,
    orders: 100,
    products: 20,
    exams: 20,
    locations: 2,
    storageBytes: gib / 4,
  },
  BASIC: {
    users: 50,
    patients: 5_000,
    members: 5_000,
    orders: 5_000,
    products: 200,
    exams: 5_000,
    locations: 10,
    storageBytes: 5 * gib,
  },
  PROFESSIONAL: {
    users: 500,
    patients: 100_000,
    members: 100_000,
    orders: 100_000,
    products: 2_000,
    exams: 200_000,
    locations: 100,
    storageBytes: 50 * gib,
  },
  ENTERPRISE: {
    users: null,
    patients: null,
    members: null,
    orders: null,
    products: null,
    exams: null,
    locations: null,
    storageBytes: null,
  },
};

/** Parts of a limit, in percent, at which somebody is told. */
export const quotaLevels = [80, 95, 100] as const;
export type QuotaLevel = 0 | (typeof quotaLevels)[number];

/** The highest level that is reached; 0 below the first. */
export const levelOf = (used: number, limit: number): QuotaLevel =>
  quotaLevels.findLast((level) => used >= limit || (level < 100 && used * 100 >= limit * level)) ?? 0;

const isMonthly = (resource: QuotaResource): boolean => resource === 'orders';

function monthStart(now: Instant, later = 0): Instant {
  const at = toDate(now);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + later, 1);
}

/** From when on things count. */
export const periodStartOf = (resource: QuotaResource, now: Instant): Instant =>
  isMonthly(resource) ? monthStart(now) : 0;

/** When counting begins anew; null: never. */
export const resetAtOf = (resource: QuotaResource, now: Instant): Instant | null =>
  isMonthly(resource) ? monthStart(now, 1) : null;

/** The first plan that allows more, where it is described, and how many it allows; null at the top. */
export interface Upgrade {
  readonly plan: Plan;
  readonly limit: Limit;
  readonly url: string;
}

export const plansUrl = '/api/v1/plans';

export function upgradeFrom(current: Plan, resource: QuotaResource, limit: number): Upgrade | null {
  for (const plan of plans.slice(plans.indexOf(current) + 1)) {
    const allowed = planLimits[plan][resource];
    if (allowed === null || allowed > limit) return { plan, limit: allowed, url: plansUrl };
  }
  return null;
}
