import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Consistency, SeenWrite, TenantId } from '#infra/kernel';

/** replicas’ `ConsistencyTokens`. */
export interface TokenIssuer {
  issue(tenantId: TenantId, written: SeenWrite): string;
  read(tenantId: TenantId, token: string): SeenWrite | 'unknown' | null;
}

const header = 'x-consistency-token';

/** What the caller has seen written elsewhere. A token that says nothing costs the caller a replica, no more. */
export function consistencyOf(tokens: TokenIssuer, tenantId: TenantId, { headers }: FastifyRequest): Consistency {
  const token = headers[header];
  return { seen: token === undefined ? null : tokens.read(tenantId, String(token)), written: null };
}

/** Tells where this request’s write stands, for whoever reads on from another session or another node. */
export function tellConsistency(tokens: TokenIssuer) {
  return (
    { ctx }: FastifyRequest,
    reply: FastifyReply,
    payload: unknown,
    done: (error: Error | null, payload?: unknown) => void,
  ): void => {
    const written = ctx?.consistency?.written ?? null;
    if (written !== null && ctx.tenant !== null) reply.header(header, tokens.issue(ctx.tenant.id, written));
    done(null, payload);
  };
}
