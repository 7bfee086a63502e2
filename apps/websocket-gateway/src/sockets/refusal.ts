import { type ErrorKind, isAppError } from '#infra/kernel';
import { fail } from '../gateway.errors.js';
import type { Refusal } from './protocol.js';

/** What a client is told of a failure: what its table says in public, and of a bug only the request's id. */
export function refusalOf(error: unknown, requestId: string): Refusal {
  const known = isAppError(error) ? error : fail('socket.failed', { cause: error });
  const { retryAfterMs, mistakes } = known.options;
  return {
    code: known.code,
    detail: known.kind === 'internal' ? fail.table['socket.failed'].public : known.publicText,
    requestId,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(mistakes === undefined ? {} : { errors: mistakes }),
  };
}

/** True for what an operator must hear of: our own failures, not what a client did. */
export const isOurs = (error: unknown): boolean =>
  !isAppError(error) || error.kind === 'internal' || error.kind === 'unavailable';

/** Status of a handshake that is refused before it becomes a connection. */
export function statusOf(kind: ErrorKind): number {
  switch (kind) {
    case 'unparsable':
      return 400;
    case 'forbidden':
      return 403;
    case 'limited':
      return 429;
    case 'unavailable':
      return 503;
    default:
      return 500;
  }
}
