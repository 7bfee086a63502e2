import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const usable = /^[A-Za-z0-9._-]{1,64}$/;
const processId = randomBytes(9).toString('base64url');
let count = 0;

/** Unique for this process's 72 random bits and its count; a fresh uuid per request would cost several times as much. */
export function newRequestId(): string {
  count += 1;
  return `${processId}.${count.toString(36)}`;
}

/** The caller's X-Request-Id where it is harmless in logs and headers, else a fresh one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && usable.test(given) ? given : newRequestId();
}
