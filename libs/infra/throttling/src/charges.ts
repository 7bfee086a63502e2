import type { Plan } from '#infra/kernel';
import { addressSubject } from './address.js';
import { type LimitClassName, type LimitPolicies, type LimitPolicyName, limitClasses } from './limit-classes.js';
import type { WindowRule } from './sliding-window.js';

/** Who asks. `ip` is the client's own address, as the edge found it behind its proxies. */
export interface LimitSubject {
  readonly ip: string;
  readonly userId?: string | undefined;
  readonly tenantId?: string | undefined;
  readonly plan?: Plan | undefined;
}

/** One window that a call counts against, and the Redis key it lives under. */
export interface Charge extends WindowRule {
  readonly name: string;
  readonly key: string;
}

/** Charges whose keys share a hash tag, and so one server and one script call. */
export type ChargeGroup = readonly Charge[];

interface Place {
  readonly tag: string;
  readonly owner: string;
}

/** The windows that one call counts against, grouped by where they live: at most the address's and the tenant's. */
export function chargesOf(
  classes: readonly LimitClassName[],
  subject: LimitSubject,
  policies: LimitPolicies,
): readonly ChargeGroup[] {
  const names = new Set<LimitPolicyName>(classes.flatMap((name) => limitClasses[name]));
  const groups = new Map<string, Charge[]>();
  for (const name of names) {
    const place = placeOf(policies[name].subject, subject);
    const limit = limitOf(policies[name].limit, subject.plan);
    if (place === undefined || limit === undefined) continue;
    const key = `limits:{${place.tag}}:${place.owner}${name}`;
    const group = groups.get(place.tag) ?? [];
    groups.set(place.tag, [...group, { name, key, limit, windowMs: policies[name].windowMs }]);
  }
  return [...groups.values()];
}

function placeOf(kind: LimitPolicies[LimitPolicyName]['subject'], subject: LimitSubject): Place | undefined {
  const { userId, tenantId } = subject;
  const address = { tag: `ip:${addressSubject(subject.ip)}`, owner: '' };
  const tenant = tenantId === undefined ? undefined : { tag: `t:${tenantId}`, owner: '' };
  const user = userId === undefined ? undefined : { tag: tenant?.tag ?? `u:${userId}`, owner: `u:${userId}:` };
  switch (kind) {
    case 'ip':
      return address;
    case 'stranger':
      return user ? undefined : address;
    case 'user':
      return user;
    case 'caller':
      return user ?? address;
    case 'tenant':
      return tenant;
  }
}

const limitOf = (limit: number | Readonly<Record<Plan, number>>, plan: Plan | undefined): number | undefined =>
  typeof limit === 'number' ? limit : plan && limit[plan];
