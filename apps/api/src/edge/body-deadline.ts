import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify';
import { monotonicMs } from '#infra/kernel';
import { fail } from './edge.errors.js';

/**
 * Answers 408 and closes the connection when the body is not complete `deadlineMs` after the request began. Node's own
 * limits are for the whole server; this one is the route's.
 */
export function bodyDeadline(deadlineMs: number) {
  return (
    request: FastifyRequest,
    reply: FastifyReply,
    payload: RequestPayload,
    done: (error: Error | null, payload: RequestPayload) => void,
  ): void => {
    const leftMs = Math.max(0, request.startedAtMs + deadlineMs - monotonicMs());
    const timer = setTimeout(() => {
      if (reply.sent) return;
      reply.header('connection', 'close');
      // Node forgets a request that is answered; whoever still reads its body would never hear of the end.
      reply.raw.once('finish', () => payload.destroy());
      reply.send(fail('request.body_too_slow'));
    }, leftMs);
    const arrived = () => clearTimeout(timer);
    payload.once('end', arrived).once('close', arrived);
    // A body that nobody reads may never end.
    reply.raw.once('finish', arrived);
    done(null, payload);
  };
}
