import type { FastifyContextConfig as Config, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import './fastify.js';
import { monotonicMs } from '#infra/kernel';
import { type HttpMetrics, type Log, runWithLogFields } from '#infra/telemetry';
import { leaveInTheEnd } from './admission.js';
import { doneFields, type Observing } from './observing.js';

type Parts = { readonly log: Log; readonly metrics: HttpMetrics };

/** What the log and the metrics call a request whose caller went away before the answer. */
const abandoned = 499;
const firstFailure = 400;
const unmatchedRoute = 'unmatched';

/** One metric and one line per request, under the route's template: a path may hold ids, a query may hold names. */
export function observeRequests(server: FastifyInstance, parts: Parts): void {
  const unmatched = unmatchedBy(parts);
  server.decorateRequest('observed', false);
  server.addHook('onRoute', (options) => {
    const { method, url, config } = options;
    options.config = { ...config, observing: observing(parts, String(method), url, config) };
  });
  server.addHook('onRequest', (request, reply, done) => {
    begin(request, parts);
    // Fastify's onRequestAbort never hears of a caller who goes after the body was read to its end.
    reply.raw.on('close', () => {
      if (reply.raw.writableFinished) return;
      leaveInTheEnd(request, reply);
      end(request, abandoned, observedBy(request) ?? unmatched(request.method));
    });
    runWithLogFields({ requestId: request.id }, done);
  });
  server.addHook('onResponse', (request, reply, done) => {
    end(request, reply.statusCode, observedBy(request) ?? unmatched(request.method));
    done();
  });
}

const observedBy = (request: FastifyRequest): Observing | undefined => request.routeOptions.config?.observing;

function observing({ log, metrics }: Parts, method: string, route: string, config: Config | undefined): Observing {
  return {
    route,
    metrics: metrics.route(method, route),
    isRoutine: routineOf(config),
    line: log.prepared('request.done', { method, route }, doneFields),
  };
}

/** Node's parser knows about 35 methods. */
function unmatchedBy(parts: Parts): (method: string) => Observing {
  const known = new Map<string, Observing>();
  return (method) => {
    const found = known.get(method) ?? observing(parts, method, unmatchedRoute, undefined);
    known.set(method, found);
    return found;
  };
}

function begin(request: FastifyRequest, { metrics }: Parts): void {
  request.startedAtMs = monotonicMs();
  metrics.started();
}

function end(request: FastifyRequest, status: number, { metrics, isRoutine, line }: Observing): void {
  if (request.observed) return;
  request.observed = true;
  const durationMs = monotonicMs() - request.startedAtMs;
  metrics.ended(status, durationMs);
  if (isRoutine(status)) return;
  const { ctx } = request;
  line({
    requestId: request.id,
    status,
    durationMs: Math.round(durationMs * 100) / 100,
    code: request.problemCode,
    tenantId: ctx?.tenant?.id,
    userId: ctx?.actor.kind === 'user' ? ctx.actor.id : undefined,
  });
}

/** Probes and scrapes come every few seconds for ever: they count, and leave no line. */
function routineOf(config: Config | undefined): (status: number) => boolean {
  if (config?.access?.limit === 'unlimited') return () => true;
  return config?.open === undefined ? () => false : (status) => status < firstFailure;
}

export const routeOf = (request: FastifyRequest): string => request.routeOptions.url ?? unmatchedRoute;

/** For a request that the router refused before any hook could run. */
export function observeUnrouted(request: FastifyRequest, reply: FastifyReply, parts: Parts): void {
  begin(request, parts);
  const unrouted = observing(parts, request.method, unmatchedRoute, undefined);
  reply.raw.once('finish', () => end(request, reply.statusCode, unrouted));
}
