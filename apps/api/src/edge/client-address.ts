import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

/**
 * The right-most address of X-Forwarded-For that is not a trusted proxy (Fastify's trustProxy walks it from the right),
 * or the peer's own where a proxy passed on something that is no address.
 */
export function clientAddress(request: FastifyRequest): string {
  const found = request.ip;
  return isIP(found) === 0 ? (request.socket.remoteAddress ?? '0.0.0.0') : unmapped(found);
}

/** ::ffff:192.0.2.1 and 192.0.2.1 are one client. */
const unmapped = (address: string): string =>
  address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
