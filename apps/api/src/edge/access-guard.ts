import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AnonymousActor, type Context, may } from '#infra/kernel';
import type { AccessRule } from './access.js';
import { clientAddress } from './client-address.js';
import { fail } from './edge.errors.js';
import { countAgainstLimits } from './limit-guard.js';
import type { EdgeParts } from './ports.js';
import { answerDeadlineMs } from './server-options.js';

const anonymous: AnonymousActor = Object.freeze({ kind: 'anonymous' });
const bearer = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Makes the Context, or refuses: who is it, do the limits allow one more, may they do this. In that order. */
export function accessGuard(parts: EdgeParts, rule: AccessRule, route: string) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const ctx: Context = {
      requestId: request.id,
      actor: anonymous,
      tenant: null,
      deadline: parts.clock.now() - request.waitedMs + answerDeadlineMs + arrivalMs(rule),
      ip: clientAddress(request),
      route,
    };
    request.ctx = ctx;
    if (rule.permission !== 'public') request.ctx = await identified(parts, rule, ctx, request, reply);
    await countAgainstLimits(parts, rule, request.ctx, request, reply);
    if (isAllowed(rule, request.ctx)) return;
    await parts.audit.recordDenied(request.ctx, rule.audit);
    throw fail('access.denied', { internal: `${route} needs ${rule.permission}` });
  };
}

/** A handler that takes the body as it arrives works all that time. */
const arrivalMs = ({ receives, bodyDeadlineMs = 0 }: AccessRule): number =>
  receives === undefined ? 0 : bodyDeadlineMs;

/** Who asks, from the access token. A caller whose token is refused still counts against the limits of its address. */
async function identified(
  parts: EdgeParts,
  rule: AccessRule,
  ctx: Context,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Context> {
  try {
    const { tenant, actor } = await parts.sessions.authenticate(bearerToken(request.headers.authorization));
    return { ...ctx, tenant, actor };
  } catch (error) {
    await countAgainstLimits(parts, rule, ctx, request, reply);
    throw error;
  }
}

export function bearerToken(header: string | undefined): string {
  if (header === undefined) throw fail('access.login_required');
  const token = bearer.exec(header)?.[1];
  if (token === undefined) throw fail('access.token_refused');
  return token;
}

const isAllowed = (rule: AccessRule, ctx: Context): boolean =>
  rule.permission === 'public' || (rule.permission === 'self' ? ctx.actor.kind === 'user' : may(ctx, rule.permission));
