import type { Plan } from '#infra/kernel';
import type { ThrottlingConfig } from './throttling.config.js';

/**
 * Whom a policy counts. `ip`: the address, whoever asks. `stranger`: the address, only without a login. `user`: the
 * user, only with one. `caller`: the user, or the address of a stranger. `tenant`: all users of a tenant together.
 */
export type LimitSubjectKind = 'ip' | 'stranger' | 'user' | 'caller' | 'tenant';

export interface LimitPolicy {
  readonly subject: LimitSubjectKind;
  /** Requests in any `windowMs`; a tenant's by its plan. */
  readonly limit: number | Readonly<Record<Plan, number>>;
  readonly windowMs: number;
}

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const quarterHourMs = 15 * minuteMs;

export const planLimits: Readonly<Record<Plan, number>> = {
  FREE: 500,
  BASIC: 2_000,
  PROFESSIONAL: 5_000,
  ENTERPRISE: 20_000,
};

/** Every policy by the name that clients read in `RateLimit-Policy`. */
export const limitPolicies = (config: ThrottlingConfig) =>
  ({
    general: { subject: 'ip', limit: config.general, windowMs: quarterHourMs },
    anonymous: { subject: 'stranger', limit: config.anonymous, windowMs: config.tierWindowS * secondMs },
    authenticated: { subject: 'user', limit: config.authenticated, windowMs: config.tierWindowS * secondMs },
    'tenant-plan': { subject: 'tenant', limit: planLimits, windowMs: quarterHourMs },
    auth: { subject: 'ip', limit: 10, windowMs: secondMs },
    strict: { subject: 'caller', limit: 5, windowMs: quarterHourMs },
    'patient-search': { subject: 'caller', limit: 30, windowMs: minuteMs },
    'member-lookup': { subject: 'ip', limit: config.memberLookup, windowMs: minuteMs },
    'card-generation': { subject: 'ip', limit: config.cardGeneration, windowMs: 5 * minuteMs },
  }) as const satisfies Readonly<Record<string, LimitPolicy>>;
export type LimitPolicyName = keyof ReturnType<typeof limitPolicies>;
export type LimitPolicies = Readonly<Record<LimitPolicyName, LimitPolicy>>;

const standing = ['general', 'anonymous', 'authenticated', 'tenant-plan'] as const;

/** What a route names: the policies that one call counts against. The first exhausted one refuses. */
export const limitClasses = {
  public: standing,
  read: standing,
  write: standing,
  /** Login, invitation: ten a second from one address, and the few that a stranger has. */
  auth: ['general', 'anonymous', 'auth'],
  /** Refresh and logout: as `auth`, but a clinic behind one address is no stranger. */
  session: ['general', 'auth'],
  /** Password reset, exports. */
  strict: [...standing, 'strict'],
  /** Search among patients. */
  search: [...standing, 'patient-search'],
  'member-lookup': [...standing, 'member-lookup'],
  'card-generation': [...standing, 'card-generation'],
  /** The platform's own staff, who belong to no tenant's plan. */
  operator: ['general', 'authenticated'],
} as const satisfies Readonly<Record<string, readonly LimitPolicyName[]>>;
export type LimitClassName = keyof typeof limitClasses;
