import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccessRule } from './access.js';
import { canonicalJson } from './canonical-json.js';
import { fail } from './edge.errors.js';
import type { Fingerprinter } from './ports.js';

/** Visible ASCII; the key is the client's own, unique for its user. */
const usable = /^[\x21-\x7e]{1,255}$/;
const firstFailure = 400;

/** Puts the key into the Context, together with what the call asks: the same key for another call is a mistake. */
export function readIdempotencyKey(fingerprints: Fingerprinter, rule: AccessRule) {
  return async (request: FastifyRequest): Promise<void> => {
    const key = request.headers['idempotency-key'];
    if (key === undefined) {
      if (rule.idempotency === 'required') throw fail('idempotency.key_required');
      return;
    }
    if (typeof key !== 'string' || !usable.test(key)) throw fail('idempotency.key_malformed');
    const { ctx } = request;
    if (ctx.tenant === null || ctx.route === undefined) return;
    const asked = [ctx.route, canonicalJson(request.params), canonicalJson(request.query), canonicalJson(request.body)];
    const fingerprint = await fingerprints.fingerprint(ctx.tenant.id, asked);
    request.ctx = { ...ctx, idempotency: { key, route: ctx.route, fingerprint, outcome: 'unused' } };
  };
}

/** Says whether the answer is an earlier one. A route that promised to honour the key and did not is a bug: 500. */
export function tellReplay(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: Error | null, payload?: unknown) => void,
): void {
  const outcome = reply.statusCode < firstFailure ? request.ctx.idempotency?.outcome : undefined;
  if (outcome === 'replayed') reply.header('idempotency-replayed', 'true');
  if (outcome === 'unused')
    done(fail('idempotency.key_unused', { internal: `${request.ctx.route} never consumed its Idempotency-Key` }));
  else done(null, payload);
}
