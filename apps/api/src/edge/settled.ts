import type { FastifyReply, FastifyRequest } from 'fastify';

type Work = (request: FastifyRequest, reply: FastifyReply) => Promise<void> | void;

/**
 * A hook that waits only where there is something to wait for. What it throws at once is answered like what it rejects with:
 * Fastify catches nothing of a hook that calls back, and the process would end.
 */
export function settled(work: Work) {
  return (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    let waiting: Promise<void> | void;
    try {
      waiting = work(request, reply);
    } catch (error) {
      done(error as Error);
      return;
    }
    if (waiting instanceof Promise) waiting.then(() => done(), done);
    else done();
  };
}
