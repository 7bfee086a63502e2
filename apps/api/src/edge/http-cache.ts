import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply } from 'fastify';

/**
 * What a client may keep of an answer that holds nothing personal; every other answer is `no-store`. `revalidate`: keep it,
 * ask each time whether it still holds. A number: seconds for which nobody needs to ask.
 */
export type Caching = 'revalidate' | { readonly maxAgeS: number };

const readers: ReadonlySet<string> = new Set(['GET', 'HEAD']);
const tagBytes = 16;

/** ETag and 304 (RFC 9110, 13.1.2). Must stand before compression, which turns answers into streams. */
export function answerUnchanged(server: FastifyInstance): void {
  server.addHook('onSend', (request, reply, payload, done) => {
    const { caching, standing } = request.routeOptions.config.access ?? {};
    if (caching !== undefined && reply.statusCode === 200) allowKeeping(reply, caching, payload);
    const seen = request.headers['if-none-match'];
    const mayHold = seen !== undefined && standing === undefined && reply.statusCode === 200;
    const tag = mayHold ? reply.getHeader('etag') : undefined;
    if (tag === undefined || !readers.has(request.method) || !names(String(seen), String(tag))) {
      done(null, payload);
      return;
    }
    reply.code(304).removeHeader('content-type').removeHeader('content-length');
    done(null, null);
  });
}

function allowKeeping(reply: FastifyReply, caching: Caching, payload: unknown): void {
  reply.header('cache-control', caching === 'revalidate' ? 'private, no-cache' : `private, max-age=${caching.maxAgeS}`);
  // What one may see another may not.
  const varies = reply.getHeader('vary');
  reply.header('vary', varies === undefined ? 'Authorization' : `${varies}, Authorization`);
  if (reply.hasHeader('etag') || !(typeof payload === 'string' || Buffer.isBuffer(payload))) return;
  const digest = createHash('sha256').update(payload).digest().subarray(0, tagBytes);
  reply.header('etag', `W/"${digest.toString('base64url')}"`);
}

/** The weak comparison. */
function names(seen: string, tag: string): boolean {
  const plain = (each: string) => each.trim().replace(/^W\//, '');
  return seen.trim() === '*' || seen.split(',').some((each) => plain(each) === plain(tag));
}
