import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AnonymousActor, type Context, may } from '#infra/kernel';
import type { AccessRule } from './access.js';
import { clientAddress } from './client-address.js';
import { consistencyOf } from './consistency.js';
import { fail } from './edge.errors.js';
import { countAgainstLimits } from './limit-guard.js';
import type { EdgeParts, Party } from './ports.js';
import { settled } from './settled.js';
import { timeAllowedMs } from './time-left.js';

const anonymous: AnonymousActor = Object.freeze({ kind: 'anonymous' });
const bearer = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Makes the Context, or refuses: who is it, do the limits allow one more, may they do this. In that order. */
export function accessGuard(parts: EdgeParts, rule: AccessRule, route: string) {
  const isOpen = rule.permission === 'public';
  const arrival = arrivalMs(rule);
  return settled((request, reply) => {
    // Whom this process knows and may count by itself need not wait.
    const party = isOpen ? undefined : knownParty(parts, request);
    const deadline = parts.clock.now() - request.waitedMs + timeAllowedMs(request) + arrival;
    const who = party === undefined ? nobody : callerOf(parts, party, request);
    request.ctx = { requestId: request.id, deadline, ip: clientAddress(request), route, ...who };
    if (isOpen || party !== undefined) return enterAs(parts, rule, request, reply);
    return identify(parts, rule, request, reply);
  });
}

type Caller = Pick<Context, 'actor' | 'tenant' | 'consistency'>;
const nobody: Caller = { actor: anonymous, tenant: null };

function callerOf({ consistency }: EdgeParts, { actor, tenant }: Party, request: FastifyRequest): Caller {
  if (consistency === undefined) return { actor, tenant };
  return { actor, tenant, consistency: consistencyOf(consistency, tenant.id, request) };
}

const scheme = 'Bearer ';

/** Whatever else the header may be, nobody is known by it. */
function knownParty({ sessions }: EdgeParts, { headers: { authorization } }: FastifyRequest): Party | undefined {
  if (authorization === undefined || !authorization.startsWith(scheme)) return undefined;
  return sessions.known?.(authorization.slice(scheme.length));
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
    const party = await parts.sessions.authenticate(bearerToken(request.headers.authorization));
    request.ctx = { ...request.ctx, ...callerOf(parts, party, request) };
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
