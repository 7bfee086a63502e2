import type { FastifyReply, FastifyRequest } from 'fastify';

/** An entity's answer carries its version as a strong ETag, which If-Match sends back. */
export function tagVersion(
  _request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: Error | null, payload?: unknown) => void,
): void {
  const version = (payload as { readonly version?: unknown } | null)?.version;
  if (typeof version === 'number' && reply.statusCode < 300) reply.header('etag', entityTag(version));
  done(null, payload);
}

export const entityTag = (version: number): string => `"v${version}"`;
