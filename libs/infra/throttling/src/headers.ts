import type { AppError } from '#infra/kernel';
import type { LimitResult, LimitState } from './limits.js';
import { fail } from './throttling.errors.js';

export interface RateLimitHeaders {
  readonly 'RateLimit-Policy'?: string;
  readonly RateLimit?: string;
  readonly 'Retry-After'?: string;
}

const seconds = (ms: number): number => Math.ceil(ms / 1_000);

const policyItem = ({ name, limit, windowMs }: LimitState): string => `"${name}";q=${limit};w=${seconds(windowMs)}`;
const stateItem = ({ name, remaining, resetMs }: LimitState): string =>
  `"${name}";r=${remaining};t=${seconds(resetMs)}`;

/**
 * draft-ietf-httpapi-ratelimit-headers-11: every policy in `RateLimit-Policy`; in `RateLimit` every one too, or, when the
 * call was refused, those that refused. `Retry-After` only then, in seconds, never less than their `t`.
 */
export function rateLimitHeaders({ allowed, retryAfterMs, policies }: LimitResult): RateLimitHeaders {
  if (policies.length === 0) return {};
  const told = allowed ? policies : policies.filter(({ exceeded }) => exceeded);
  return {
    'RateLimit-Policy': policies.map(policyItem).join(', '),
    RateLimit: told.map(stateItem).join(', '),
    ...(allowed ? {} : { 'Retry-After': String(Math.max(1, seconds(retryAfterMs))) }),
  };
}

/** What a refused call is answered with; names the policies that refused it. */
export const limitExceeded = ({ retryAfterMs, policies }: LimitResult): AppError => {
  const violated = policies.filter(({ exceeded }) => exceeded).map(({ name }) => name);
  return fail('limit.exceeded', {
    internal: `refused by ${violated.join(', ')}`,
    retryAfterMs,
    extra: { 'violated-policies': violated },
  });
};
