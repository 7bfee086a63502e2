import { LRUCache } from 'lru-cache';
import { type Plan, plans } from '#infra/kernel';
import { addressSubject } from './address.js';
import {
  type LimitClassName,
  type LimitPolicies,
  type LimitPolicy,
  type LimitPolicyName,
  limitClasses,
} from './limit-classes.js';
import type { Rule } from './rule.js';

/** Who asks. `ip` is the client's own address, as the edge found it behind its proxies. */
export interface LimitSubject {
  readonly ip: string;
  readonly userId?: string | undefined;
  readonly tenantId?: string | undefined;
  readonly plan?: Plan | undefined;
  /** A user in one of their tenant's own networks. */
  readonly atHome?: boolean;
}

/** What one call costs. */
export interface LimitCost {
  readonly requests?: number;
  readonly bytes?: number;
}

/** One count that a call adds to, and the Redis key it lives under. */
export interface Charge {
  readonly name: string;
  readonly key: string;
  readonly rule: Rule;
  readonly cost: number;
  /** May be counted a moment later (see leases.ts). */
  readonly leasable: boolean;
  readonly strict: boolean;
  /** Going beyond it is held against the subject of the group. */
  readonly blamed: boolean;
}

/** Charges whose keys share a hash tag, and so one server and one script call. */
export interface ChargeGroup {
  readonly charges: readonly Charge[];
  /** Under which key is kept what the subject violated; absent where nobody is blamed. */
  readonly abuse?: string;
}

/** Smaller limits are counted at every call. */
const leasedFrom = 500;
const addressesKnown = 10_000;
/** About 1.5 KB each. */
const callersKnown = 10_000;

interface Compiled {
  readonly name: LimitPolicyName;
  readonly policy: LimitPolicy;
  readonly rules: Readonly<Record<Plan, Rule>>;
  readonly leasable: boolean;
}

/** Which counts a call adds to, worked out once per class. */
export class Charges {
  private readonly byClass = new Map<string, readonly Compiled[]>();
  private readonly callers = new LRUCache<string, readonly ChargeGroup[]>({ max: callersKnown });
  /** Of the same subject, by class. */
  private readonly bySubject = new WeakMap<LimitSubject, Map<string, readonly ChargeGroup[]>>();
  private readonly addresses = new LRUCache<string, string>({ max: addressesKnown });
  /** Whom `general` stops before the bucket could be empty needs no bucket. */
  private readonly edgeIsImplied: boolean;

  constructor(private readonly policies: LimitPolicies) {
    this.edgeIsImplied = Number(policies.general.limit) <= Number(policies.edge.limit);
  }

  /** As `of`, for one request: the same caller's are found again, and not made anew. */
  ofOne(classes: readonly LimitClassName[], subject: LimitSubject): readonly ChargeGroup[] {
    const name = classes.length === 1 ? (classes[0] ?? '') : classes.join('+');
    const known = this.bySubject.get(subject)?.get(name);
    if (known !== undefined) return known;
    const groups = this.ofCaller(name, classes, subject);
    // Only users' subjects are the same objects at the next call.
    if (subject.userId !== undefined && !subject.atHome)
      this.bySubject.set(subject, (this.bySubject.get(subject) ?? new Map()).set(name, groups));
    return groups;
  }

  private ofCaller(name: string, classes: readonly LimitClassName[], subject: LimitSubject): readonly ChargeGroup[] {
    const { ip, userId, tenantId, plan, atHome } = subject;
    const key = `${name} ${ip} ${userId} ${tenantId} ${plan} ${atHome}`;
    const known = this.callers.get(key);
    if (known !== undefined) return known;
    const groups = this.of(classes, subject);
    this.callers.set(key, groups);
    return groups;
  }

  /** Grouped by where they live: at most the address's and the tenant's. */
  of(classes: readonly LimitClassName[], subject: LimitSubject, cost: LimitCost = {}): readonly ChargeGroup[] {
    const { userId, tenantId } = subject;
    const address = `ip:${this.addressOf(subject.ip)}`;
    const tenant = tenantId === undefined ? `u:${userId}` : `t:${tenantId}`;
    const ofAddress: Charge[] = [];
    const ofTenant: Charge[] = [];
    for (const { name, policy, rules, leasable } of this.compiled(classes)) {
      const who = whoPays(policy, subject);
      if (who === undefined || (name === 'edge' && this.edgeIsImplied && !subject.atHome)) continue;
      const owner = who === 'user' ? `u:${userId}:` : '';
      const charge = {
        name,
        key: `limits:{${who === 'ip' ? address : tenant}}:${owner}${name}`,
        rule: rules[subject.plan ?? 'FREE'],
        cost: policy.unit === 'bytes' ? (cost.bytes ?? 0) : (cost.requests ?? 1),
        leasable,
        strict: policy.strict ?? false,
        blamed: who !== 'tenant',
      };
      (who === 'ip' ? ofAddress : ofTenant).push(charge);
    }
    const groups: ChargeGroup[] = [];
    if (ofAddress.length > 0) groups.push({ charges: ofAddress, abuse: `limits:{${address}}:abuse` });
    if (ofTenant.length > 0)
      groups.push({
        charges: ofTenant,
        ...(userId === undefined ? {} : { abuse: `limits:{${tenant}}:u:${userId}:abuse` }),
      });
    return groups;
  }

  private addressOf(ip: string): string {
    const known = this.addresses.get(ip);
    if (known !== undefined) return known;
    const found = addressSubject(ip);
    this.addresses.set(ip, found);
    return found;
  }

  private compiled(classes: readonly LimitClassName[]): readonly Compiled[] {
    const key = classes.length === 1 ? (classes[0] ?? '') : classes.join('+');
    const known = this.byClass.get(key);
    if (known !== undefined) return known;
    const names = new Set<LimitPolicyName>(classes.flatMap((name) => limitClasses[name]));
    const compiled = [...names].map((name) => compile(name, this.policies[name]));
    this.byClass.set(key, compiled);
    return compiled;
  }
}

function compile(name: LimitPolicyName, policy: LimitPolicy): Compiled {
  const ruleOf = (plan: Plan): Rule => {
    const limit = typeof policy.limit === 'number' ? policy.limit : policy.limit[plan];
    return { algorithm: policy.algorithm ?? 'sliding', limit, windowMs: policy.windowMs };
  };
  const rules = Object.fromEntries(plans.map((plan) => [plan, ruleOf(plan)])) as Record<Plan, Rule>;
  const least = Math.min(...plans.map((plan) => rules[plan].limit));
  const leasable = least >= leasedFrom && !policy.strict && policy.unit !== 'bytes';
  return { name, policy, rules, leasable };
}

/** Whose count it is; nobody's where the policy does not concern the caller. */
function whoPays({ subject: kind, plans: only, limit, atHome }: LimitPolicy, subject: LimitSubject) {
  const { userId, tenantId, plan } = subject;
  if (only !== undefined && !only.includes(plan ?? 'FREE')) return undefined;
  switch (kind) {
    case 'ip':
      return subject.atHome ? atHome : 'ip';
    case 'stranger':
      return userId === undefined ? 'ip' : undefined;
    case 'user':
      return userId === undefined ? undefined : 'user';
    case 'caller':
      return userId === undefined ? 'ip' : 'user';
    case 'tenant':
      return tenantId === undefined || (plan === undefined && typeof limit !== 'number') ? undefined : 'tenant';
  }
}
