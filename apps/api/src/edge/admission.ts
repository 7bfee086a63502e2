import { AsyncResource } from 'node:async_hooks';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { monotonicMs } from '#infra/kernel';
import type { Admission, AdmissionLimits, Door } from '#infra/throttling';
import type { ApiConfig } from '../api.config.js';
import type { AccessRule } from './access.js';
import { fail } from './edge.errors.js';
import { answerDeadlineMs } from './server-options.js';

/** Bodies that take minutes to arrive must not keep everybody else out. */
const uploads = { runningMax: 20, waitingMax: 40 } as const;
/** Each keeps its body and its answers until its last part is done; the parts go through the door of requests. */
const batches = { runningMax: 50, waitingMax: 200 } as const;
const retryAfterMs = { least: 1_000, most: 5_000 } as const;

export const doorLimits = ({
  requestsRunningMax,
  requestsWaitingMax,
  requestWaitMaxMs,
}: ApiConfig): Readonly<Record<Door, AdmissionLimits>> => ({
  requests: { runningMax: requestsRunningMax, waitingMax: requestsWaitingMax, waitMaxMs: requestWaitMaxMs },
  uploads: { ...uploads, waitMaxMs: requestWaitMaxMs },
  batches: { ...batches, waitMaxMs: requestWaitMaxMs },
});

/**
 * Lets a request begin when there is room, or has it wait, or refuses it at once with service.overloaded: before anything
 * is known about the caller, so that refusing costs next to nothing.
 */
export function admit(doors: Readonly<Record<Door, Admission>>, rule: AccessRule) {
  const admission = doors[doorOf(rule)];
  const { importance = 'normal' } = rule;
  return (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    if (admission.enter()) {
      request.admitted = admission;
      done();
      return;
    }
    let giveUp: () => void = () => undefined;
    const goneAway = () => giveUp();
    // The verdict comes while another request ends, and must not be logged as that one's.
    const verdict = AsyncResource.bind((rejection: string | null) => {
      reply.raw.off('close', goneAway);
      request.waitedMs = Math.round(monotonicMs() - request.startedAtMs);
      if (rejection === null) request.admitted = admission;
      done(rejection === null ? undefined : overloaded());
    });
    giveUp = admission.wait(importance, verdict);
    reply.raw.once('close', goneAway);
  };
}

function doorOf({ receives, admission }: AccessRule): Door {
  if (admission === 'by part') return 'batches';
  return receives === undefined ? 'requests' : 'uploads';
}

/** The slot is free again once the handler has answered, even where nobody listens any more. */
export function leaveWhenDone(server: FastifyInstance): void {
  server.decorateRequest('admitted', undefined);
  server.decorateRequest('abandoned', false);
  server.decorateRequest('waitedMs', 0);
  server.addHook('onResponse', (request, _reply, done) => {
    leave(request);
    done();
  });
  server.addHook('onSend', (request, _reply, payload, done) => {
    if (request.abandoned) leave(request);
    done(null, payload);
  });
}

/** The caller has gone. The handler works on: it is over when it answers, and at the latest when its deadline has passed. */
export function leaveInTheEnd(request: FastifyRequest, reply: FastifyReply): void {
  request.abandoned = true;
  if (reply.raw.headersSent) leave(request);
  else setTimeout(() => leave(request), answerDeadlineMs).unref();
}

export function leave(request: FastifyRequest): void {
  const { admitted } = request;
  request.admitted = undefined;
  admitted?.leave();
}

/** Everybody who is sent away comes back at another moment. */
const overloaded = () =>
  fail('service.overloaded', {
    retryAfterMs: retryAfterMs.least + Math.random() * (retryAfterMs.most - retryAfterMs.least),
  });
