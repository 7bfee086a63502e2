import compress from '@fastify/compress';
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import './fastify.js';
import { leaveWhenDone } from './admission.js';
import { parseBytes } from './body-bytes.js';
import { byteMediaTypes } from './byte-media.js';
import { compressionOptions } from './compression.js';
import { Cursors } from './cursors.js';
import { fail } from './edge.errors.js';
import { observeRequests } from './observe.js';
import type { EdgeParts } from './ports.js';
import { planRoute } from './route-plan.js';
import { securityHeaders } from './security-headers.js';

const preflightMaxAgeS = 600;
const corsOptions = {
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  allowedHeaders: [
    'Authorization',
    'Content-Type',
    'Idempotency-Key',
    'If-Match',
    'If-None-Match',
    'X-Consistency-Token',
    'X-Request-Id',
  ],
  exposedHeaders: [
    'ETag',
    'Idempotency-Replayed',
    'RateLimit',
    'RateLimit-Policy',
    'Retry-After',
    'X-Consistency-Token',
    'X-Request-Id',
  ],
  credentials: false,
  maxAge: preflightMaxAgeS,
};

/** Puts the whole edge on a server that has no routes yet. Hooks run in the order in which they stand here. */
export async function installEdge(server: FastifyInstance, parts: EdgeParts): Promise<void> {
  server.decorateRequest('startedAtMs', 0);
  server.decorateRequest('known', false);
  server.decorateRequest('remembered', false);
  server.decorate('cursors', new Cursors(parts.cursors));
  observeRequests(server, parts);
  sendConstantHeaders(server, parts.isDraining);
  leaveWhenDone(server);
  readJson(server);
  server.addContentTypeParser(byteMediaTypes.csv, parseBytes('csv'));
  server.addHook('onRoute', (options) => planRoute(parts, options));
  const origins = [...parts.config.corsOrigins];
  if (origins.length > 0) await server.register(cors, { ...corsOptions, origin: origins });
  if (parts.config.compression) await server.register(compress, compressionOptions);
}

/** `Connection: close` while draining: clients come back through the load balancer, to a process that stays. */
function sendConstantHeaders(server: FastifyInstance, isDraining: () => boolean): void {
  server.addHook('onRequest', (request, reply, done) => {
    reply.headers(securityHeaders).header('x-request-id', request.id);
    if (isDraining()) reply.header('connection', 'close');
    done();
  });
}

/** The only parser that fits every route. An empty JSON body is no body. `__proto__` and `constructor.prototype` are refused, not dropped. */
function readJson(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined);
    void parse(request, body, (error, value) =>
      error === null ? done(null, value) : done(fail('request.malformed_json', { cause: error }), undefined),
    );
  });
}
