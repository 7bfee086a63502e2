import type { FastifyReply, FastifyRequest } from 'fastify';

type Work = (request: FastifyRequest, reply: FastifyReply) => Promise<void> | void;

/**
 * A hook that waits only where there is something to wait for; an `async` one always costs a turn of the queue. Fastify answers what
 * it throws and what its promise rejects with alike.
 */
export function settled(work: Work) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): Promise<void> | void => {
    const waiting = work(request, reply);
    if (waiting instanceof Promise) return waiting;
    done();
  };
}
