import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AnonymousActor, type Context, may } from '#infra/kernel';
import type { AccessRule } from './access.js';
import { clientAddress } from './client-address.js';
import { fail } from './edge.errors.js';
import { countAgainstLimits } from './limit-guard.js';
import type { EdgeParts } from './ports.js';
import { settled } from './settled.js';
import { timeAllowedMs } from './time-left.js';

const anonymous: AnonymousActor = Object.freeze({ kind: 'anonymous' });
const bearer = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Makes the Context, or refuses: who is it, do the limits allow one more, may they do this. In that order. */
export function accessGuard(parts: EdgeParts, rule: AccessRule, route: string) {
  return settled((request, reply) => {
    request.ctx = {
      requestId: request.id,
      actor: anonymous,
      tenant: null,
      deadline: parts.clock.now() - request.waitedMs + timeAllowedMs(request) + arrivalMs(rule),
      ip: clientAddress(request),
      route,
    };
    return enter(parts, rule, request, reply);
  });
}

/** Whom this process knows and may count by itself need not wait. */
function enter(parts: EdgeParts, rule: AccessRule, request: FastifyRequest, reply: FastifyReply) {
  if (rule.permission !== 'public') {
    const party = knownParty(parts, request);
    if (party === undefined) return identify(parts, rule, request, reply);
    request.ctx = { ...request.ctx, tenant: party.tenant, actor: party.actor };
  }
  return enterAs(parts, rule, request, reply);
}

function knownParty({ sessions }: EdgeParts, { headers }: FastifyRequest) {
  const token = bearer.exec(headers.authorization ?? '')?.[1];
  return token === undefined ? undefined : sessions.known?.(token);
}

function enterAs(
  parts: EdgeParts,
  rule: AccessRule,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> | undefined {
  const { ctx } = request;
  const counting = countAgainstLimits(parts, rule, ctx, request, reply);
  if (isAllowed(rule, ctx)) return counting;
  return (counting ?? Promise.resolve()).then(async () => {
    await parts.audit.recordDenied(ctx, rule.audit);
    throw fail('access.denied', { internal: `${ctx.route} needs ${rule.permission}` });
  });
}

/** Who asks, from the access token. A caller whose token is refused still counts against the limits of its address. */
async function identify(
  parts: EdgeParts,
  rule: AccessRule,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  try {
    const { tenant, actor } = await parts.sessions.authenticate(bearerToken(request.headers.authorization));
    request.ctx = { ...request.ctx, tenant, actor };
  } catch (error) {
    await countAgainstLimits(parts, rule, request.ctx, request, reply);
    throw error;
  }
  await enterAs(parts, rule, request, reply);
}

/** A handler that takes the body as it arrives works all that time. */
const arrivalMs = ({ receives, bodyDeadlineMs = 0 }: AccessRule): number =>
  receives === undefined ? 0 : bodyDeadlineMs;

export function bearerToken(header: string | undefined): string {
  if (header === undefined) throw fail('access.login_required');
  const token = bearer.exec(header)?.[1];
  if (token === undefined) throw fail('access.token_refused');
  return token;
}

const isAllowed = (rule: AccessRule, ctx: Context): boolean =>
  rule.permission === 'public' || (rule.permission === 'self' ? ctx.actor.kind === 'user' : may(ctx, rule.permission));
