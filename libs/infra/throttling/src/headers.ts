import type { AppError } from '#infra/kernel';
import type { LimitResult, LimitState } from './limits.js';
import { policyItem, seconds } from './policy-item.js';
import { fail } from './throttling.errors.js';

/** Written as the edge keeps them: changing the case of a name costs as much as sending it. */
export interface RateLimitHeaders {
  'ratelimit-policy'?: string;
  ratelimit?: string;
  'retry-after'?: string;
  'x-ratelimit-limit'?: string;
  'x-ratelimit-remaining'?: string;
  'x-ratelimit-reset'?: string;
}

const stateItem = ({ name, remaining, resetMs }: LimitState): string =>
  `"${name}";r=${remaining};t=${seconds(resetMs)}`;
/**
 * draft-ietf-httpapi-ratelimit-headers-11: every policy in `RateLimit-Policy`; in `RateLimit` every one too, or, when the
 * call was refused, those that refused. `Retry-After` only then, in seconds, never less than their `t`. `older` adds
 * `X-RateLimit-*` of the tightest policy, for clients that know only those.
 */
export function rateLimitHeaders(result: LimitResult): RateLimitHeaders {
  const { allowed, retryAfterMs, policies, older = false } = result;
  if (policies.length === 0) return {};
  const told = allowed ? policies : policies.filter(({ exceeded }) => exceeded);
  const headers: RateLimitHeaders = {
    'ratelimit-policy': result.policyText ?? policies.map(policyItem).join(', '),
    ratelimit: told.map(stateItem).join(', '),
  };
  if (!allowed) headers['retry-after'] = String(Math.max(1, seconds(retryAfterMs)));
  return older ? { ...headers, ...olderHeaders(told) } : headers;
}

/** Of the policy that has the least part of its limit left. */
function olderHeaders(told: readonly LimitState[]): RateLimitHeaders {
  const share = ({ remaining, limit }: LimitState) => remaining / limit;
  const [tightest] = [...told].sort((a, b) => share(a) - share(b));
  if (tightest === undefined) return {};
  return {
    'x-ratelimit-limit': String(tightest.limit),
    'x-ratelimit-remaining': String(tightest.remaining),
    'x-ratelimit-reset': String(seconds(tightest.resetMs)),
  };
}

const codes = { exceeded: 'limit.exceeded', reduced: 'limit.reduced', blocked: 'limit.blocked' } as const;

/** The draft's own problem types, by our codes; the others are this installation's. */
export const registeredProblemTypes: Readonly<Record<string, string>> = {
  'limit.exceeded': 'https://iana.org/assignments/http-problem-types#quota-exceeded',
  'limit.reduced': 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
  'limit.blocked': 'https://iana.org/assignments/http-problem-types#abnormal-usage-detected',
};

/** What a refused call is answered with; names the policies that refused it. */
export const limitExceeded = ({ retryAfterMs, policies, reason = 'exceeded' }: LimitResult): AppError => {
  const violated = policies.filter(({ exceeded }) => exceeded).map(({ name }) => name);
  return fail(codes[reason], {
    internal: `refused by ${violated.join(', ')}`,
    retryAfterMs,
    extra: { 'violated-policies': violated },
  });
};
