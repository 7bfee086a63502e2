import type { FastifyReply } from 'fastify';
import type { Context } from '#infra/kernel';
import { limitExceeded, limitSubjectOf, rateLimitHeaders } from '#infra/throttling';
import type { AccessRule } from './access.js';
import type { RateLimiter } from './ports.js';

/** Counts one call, tells the caller how much is left, and refuses what is too much. */
export async function countAgainstLimits(
  limits: RateLimiter,
  limit: AccessRule['limit'],
  ctx: Context,
  reply: FastifyReply,
): Promise<void> {
  if (limit === 'unlimited') return;
  const result = await limits.consume([limit], limitSubjectOf(ctx));
  reply.headers(rateLimitHeaders(result) as Record<string, string>);
  if (!result.allowed) throw limitExceeded(result);
}
