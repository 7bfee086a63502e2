import type { Plan } from '#infra/kernel';
import type { Algorithm } from './rule.js';
import type { ThrottlingConfig } from './throttling.config.js';

/**
 * Whom a policy counts. `ip`: the address, whoever asks. `stranger`: the address, only without a login. `user`: the
 * user, only with one. `caller`: the user, or the address of a stranger. `tenant`: all users of a tenant together.
 */
export type LimitSubjectKind = 'ip' | 'stranger' | 'user' | 'caller' | 'tenant';

export interface LimitPolicy {
  readonly subject: LimitSubjectKind;
  /** `sliding` unless said otherwise. */
  readonly algorithm?: Algorithm;
  /** Requests in a window, or what a bucket holds; a tenant's by its plan. */
  readonly limit: number | Readonly<Record<Plan, number>>;
  readonly windowMs: number;
  /** Only tenants of these plans; all unless said otherwise. */
  readonly plans?: readonly Plan[];
  /** What one call costs: itself, or the bytes that it announces. `requests` unless said otherwise. */
  readonly unit?: 'requests' | 'bytes';
  /** Counted exactly at every call, and without Redis never more than the limit over all processes together. */
  readonly strict?: true;
  /** What counts for users in their tenant's own networks, instead of the address that they share; else nothing does. */
  readonly atHome?: 'user' | 'ip';
}

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const quarterHourMs = 15 * minuteMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const gigabyte = 1_000_000_000;

const premiumPlans = ['PROFESSIONAL', 'ENTERPRISE'] as const satisfies readonly Plan[];
const usualPlans = ['FREE', 'BASIC'] as const satisfies readonly Plan[];

/** Every policy by the name that clients read in `RateLimit-Policy`. */
export const limitPolicies = (config: ThrottlingConfig) =>
  ({
    /** A bucket of two seconds' worth: what one source may send at all. */
    edge: { subject: 'ip', algorithm: 'bucket', limit: 2 * config.edge, windowMs: 2 * secondMs, atHome: 'ip' },
    general: { subject: 'ip', limit: config.general, windowMs: quarterHourMs },
    anonymous: { subject: 'stranger', limit: config.anonymous, windowMs: config.tierWindowS * secondMs },
    authenticated: {
      subject: 'user',
      limit: config.authenticated,
      windowMs: config.tierWindowS * secondMs,
      plans: usualPlans,
    },
    premium: {
      subject: 'user',
      limit: config.premium,
      windowMs: config.tierWindowS * secondMs,
      plans: premiumPlans,
    },
    'tenant-plan': {
      subject: 'tenant',
      limit: {
        FREE: config.free,
        BASIC: config.basic,
        PROFESSIONAL: config.professional,
        ENTERPRISE: config.enterprise,
      },
      windowMs: quarterHourMs,
    },
    auth: { subject: 'ip', limit: 10, windowMs: secondMs, strict: true, atHome: 'ip' },
    strict: { subject: 'caller', limit: 5, windowMs: quarterHourMs, strict: true },
    'patient-search': { subject: 'caller', limit: 30, windowMs: minuteMs },
    'member-lookup': { subject: 'ip', limit: config.memberLookup, windowMs: minuteMs, atHome: 'user' },
    'card-generation': {
      subject: 'ip',
      limit: config.cardGeneration,
      windowMs: 5 * minuteMs,
      strict: true,
      atHome: 'user',
    },
    batch: { subject: 'caller', algorithm: 'fixed', limit: 5, windowMs: hourMs },
    ai: { subject: 'caller', algorithm: 'bucket', limit: 10, windowMs: minuteMs },
    'ai-tenant': { subject: 'tenant', limit: 100, windowMs: hourMs },
    uploads: { subject: 'caller', limit: 30, windowMs: quarterHourMs },
    'upload-bytes': { subject: 'tenant', limit: 5 * gigabyte, windowMs: dayMs, unit: 'bytes' },
    'record-export': { subject: 'caller', limit: 5, windowMs: hourMs, strict: true },
    'audit-export': { subject: 'caller', limit: 2, windowMs: hourMs, strict: true },
  }) as const satisfies Readonly<Record<string, LimitPolicy>>;
export type LimitPolicyName = keyof ReturnType<typeof limitPolicies>;
export type LimitPolicies = Readonly<Record<LimitPolicyName, LimitPolicy>>;

const standing = ['edge', 'general', 'anonymous', 'authenticated', 'premium', 'tenant-plan'] as const;

/** What a route names: the policies that one call counts against. The first exhausted one refuses. */
export const limitClasses = {
  public: standing,
  read: standing,
  write: standing,
  /** Login, invitation: ten a second from one address, and the few that a stranger has. */
  auth: ['edge', 'general', 'anonymous', 'auth'],
  /** Refresh and logout: as `auth`, but a clinic behind one address is no stranger. */
  session: ['edge', 'general', 'auth'],
  /** Password reset, exports. */
  strict: [...standing, 'strict'],
  /** Search among patients. */
  search: [...standing, 'patient-search'],
  'member-lookup': [...standing, 'member-lookup'],
  'card-generation': [...standing, 'card-generation'],
  /** Work on up to 100 things at once. */
  batch: [...standing, 'batch'],
  /** What a model is asked. */
  ai: [...standing, 'ai', 'ai-tenant'],
  /** The beginning of an upload, with the bytes that it announces; its parts count as `write`. */
  uploads: [...standing, 'uploads', 'upload-bytes'],
  'record-export': [...standing, 'record-export'],
  'audit-export': [...standing, 'audit-export'],
  /** The platform's own staff, who belong to no tenant's plan. */
  operator: ['edge', 'general', 'authenticated', 'premium'],
} as const satisfies Readonly<Record<string, readonly LimitPolicyName[]>>;
export type LimitClassName = keyof typeof limitClasses;
