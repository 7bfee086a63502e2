import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from '#infra/kernel';
import { type LimitCost, type LimitResult, limitExceeded, limitSubjectOf, rateLimitHeaders } from '#infra/throttling';
import type { AccessRule } from './access.js';
import { leave } from './admission.js';
import type { DenialRecorder, EdgeParts } from './ports.js';

type Parts = Pick<EdgeParts, 'limits' | 'audit'>;
type CountedRule = Pick<AccessRule, 'limit' | 'receives' | 'bodyLimitBytes'>;

/**
 * Counts one call, tells the caller how much is left, and refuses what is too much. A block is recorded when it begins.
 * Nothing to wait for where this process may answer by itself.
 */
export function countAgainstLimits(
  { limits, audit }: Parts,
  rule: CountedRule,
  ctx: Context,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> | undefined {
  if (rule.limit === 'unlimited') return undefined;
  const counted = limits.consume([rule.limit], limitSubjectOf(ctx), costOf(rule, request));
  const judge = (result: LimitResult): Promise<void> | undefined => {
    reply.headers(rateLimitHeaders(result) as Record<string, string>);
    return result.allowed ? undefined : refuse(audit, ctx, result);
  };
  return counted instanceof Promise ? counted.then(judge) : judge(counted);
}

async function refuse(audit: DenialRecorder, ctx: Context, result: LimitResult): Promise<never> {
  if (result.blockedNow) await audit.recordDenied(ctx, 'limit.block');
  throw limitExceeded(result);
}

/** What arrives as bytes costs what it announces; who announces nothing pays for the most that the route takes. */
function costOf({ receives, bodyLimitBytes = 0 }: CountedRule, request: FastifyRequest): LimitCost {
  if (receives === undefined) return oneRequest;
  const announced = Number(request.headers['content-length']);
  return { bytes: Number.isSafeInteger(announced) && announced >= 0 ? announced : bodyLimitBytes };
}
const oneRequest: LimitCost = {};

const refusedCredentials = 401;
/** Beyond these, answers of one process are not held back: nobody shall fill its memory by guessing. */
const heldBackMax = 2_000;

/** Failed attempts to get in are answered late, from the third of an address on; those that succeed never are. */
export function slowDownFailures({ limits }: Pick<EdgeParts, 'limits'>) {
  let heldBack = 0;
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (reply.statusCode !== refusedCredentials) return;
    const delayMs = (await limits.failed?.(limitSubjectOf(request.ctx))) ?? 0;
    if (delayMs === 0 || heldBack >= heldBackMax) return;
    // Whoever waits for it keeps nobody else out.
    leave(request);
    heldBack += 1;
    await sleep(delayMs);
    heldBack -= 1;
  };
}
