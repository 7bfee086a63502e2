import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import './fastify.js';
import { monotonicMs } from '#infra/kernel';
import { type HttpMetrics, type Log, runWithLogFields } from '#infra/telemetry';
import { leaveInTheEnd } from './admission.js';

type Parts = { readonly log: Log; readonly metrics: HttpMetrics };

/** What the log and the metrics call a request whose caller went away before the answer. */
const abandoned = 499;
const firstFailure = 400;

/** One metric and one line per request, under the route's template: a path may hold ids, a query may hold names. */
export function observeRequests(server: FastifyInstance, parts: Parts): void {
  server.addHook('onRequest', (request, reply, done) => {
    begin(request, parts);
    // Fastify's onRequestAbort never hears of a caller who goes after the body was read to its end.
    reply.raw.once('close', () => {
      if (reply.raw.writableFinished) return;
      leaveInTheEnd(request, reply);
      end(request, abandoned, parts);
    });
    runWithLogFields({ requestId: request.id }, done);
  });
  server.addHook('onResponse', (request, reply, done) => {
    end(request, reply.statusCode, parts);
    done();
  });
}

function begin(request: FastifyRequest, { metrics }: Parts): void {
  request.startedAtMs = monotonicMs();
  metrics.started();
}

function end(request: FastifyRequest, status: number, { log, metrics }: Parts): void {
  if (request.observed) return;
  request.observed = true;
  const { method, ctx } = request;
  const route = routeOf(request);
  const durationMs = monotonicMs() - request.startedAtMs;
  metrics.ended({ method, route, status, durationMs });
  if (isRoutine(request.routeOptions.config, status)) return;
  log.info('request.done', {
    requestId: request.id,
    method,
    route,
    status,
    durationMs: Math.round(durationMs * 100) / 100,
    code: request.problemCode,
    tenantId: ctx?.tenant?.id,
    userId: ctx?.actor.kind === 'user' ? ctx.actor.id : undefined,
  });
}

/** Probes and scrapes come every few seconds for ever: they count, and leave no line. */
const isRoutine = (config: FastifyContextConfig | undefined, status: number): boolean =>
  config?.access?.limit === 'unlimited' || (config?.open !== undefined && status < firstFailure);

export const routeOf = (request: FastifyRequest): string => request.routeOptions.url ?? 'unmatched';

/** For a request that the router refused before any hook could run. */
export function observeUnrouted(request: FastifyRequest, reply: FastifyReply, parts: Parts): void {
  begin(request, parts);
  reply.raw.once('finish', () => end(request, reply.statusCode, parts));
}
