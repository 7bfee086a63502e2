import { createHash } from 'node:crypto';
import type { DoneFuncWithErrOrRes, FastifyReply, FastifyRequest } from 'fastify';

/**
 * What a client may keep of an answer that holds nothing personal; every other answer is `no-store`. `revalidate`: keep it,
 * ask each time whether it still holds. A number: seconds for which nobody needs to ask. `public`: the same for everybody, so
 * that caches between us and them keep it too, for CACHE_CONTROL_MAX_AGE.
 */
export type Caching = 'revalidate' | 'public' | { readonly maxAgeS: number };

const tagBytes = 16;
/** For so long after its end a public answer is given once more, while it is asked for anew. */
const staleWhileRevalidateS = 60;

interface Keeping {
  readonly caching?: Caching;
  /** The answer says how things stand at this moment, which its tag does not tell. */
  readonly standing?: 'now';
}

/** ETag and 304 (RFC 9110, 13.1.2) of one route. Must stand before compression, which turns answers into streams. */
export function answerUnchanged({ caching, standing }: Keeping, publicMaxAgeS: number) {
  const publicly = `public, max-age=${publicMaxAgeS}, stale-while-revalidate=${staleWhileRevalidateS}`;
  return (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: DoneFuncWithErrOrRes): void => {
    if (caching !== undefined && reply.statusCode === 200) allowKeeping(reply, caching, publicly, payload);
    const seen = request.headers['if-none-match'];
    const mayHold = seen !== undefined && standing === undefined && reply.statusCode === 200;
    const tag = mayHold ? reply.getHeader('etag') : undefined;
    if (tag === undefined || !names(String(seen), String(tag))) {
      done(null, payload);
      return;
    }
    reply.code(304).removeHeader('content-type').removeHeader('content-length');
    done(null, null);
  };
}

function allowKeeping(reply: FastifyReply, caching: Caching, publicly: string, payload: unknown): void {
  if (caching === 'public') reply.header('cache-control', publicly).header('access-control-allow-origin', '*');
  else keepPrivately(reply, caching);
  if (reply.hasHeader('etag') || !(typeof payload === 'string' || Buffer.isBuffer(payload))) return;
  const digest = createHash('sha256').update(payload).digest().subarray(0, tagBytes);
  reply.header('etag', `W/"${digest.toString('base64url')}"`);
}

function keepPrivately(reply: FastifyReply, caching: Exclude<Caching, 'public'>): void {
  reply.header('cache-control', caching === 'revalidate' ? 'private, no-cache' : `private, max-age=${caching.maxAgeS}`);
  // What one may see another may not.
  const varies = reply.getHeader('vary');
  reply.header('vary', varies === undefined ? 'Authorization' : `${varies}, Authorization`);
}

/** Whether If-None-Match names this tag; the weak comparison. */
export function names(seen: string, tag: string): boolean {
  const plain = (each: string) => each.trim().replace(/^W\//, '');
  return seen.trim() === '*' || seen.split(',').some((each) => plain(each) === plain(tag));
}
