import type { IncomingMessage } from 'node:http';
import type { FastifyServerOptions } from 'fastify';
import type { ApiConfig } from '../api.config.js';
import { requestIdOf } from './request-id.js';

export const bodyLimitBytes = 1024 * 1024;
export const maxParamLength = 500;
/** Longer than a load balancer keeps its side open, or it would meet a socket that was closed this instant. */
export const keepAliveTimeoutMs = 65_000;
export const headersTimeoutMs = 66_000;
/**
 * For headers and body together. Node swaps the two when headersTimeout is the longer one, so that on its own it would
 * give headers 30 s and bodies 66 s; the edge holds bodies to this limit itself.
 */
export const requestTimeoutMs = 30_000;
/** Nobody waits longer for an answer, the wait to begin included; database statements are cancelled then. */
export const answerDeadlineMs = 30_000;
export const keepAliveInitialDelayMs = 10_000;
/** How often Node looks for requests that took too long; its own 30 s would make every limit that much longer. */
const connectionsCheckingIntervalMs = 1_000;
const maxHeaderBytes = 16 * 1024;

export const serverOptions = (config: Pick<ApiConfig, 'trustedProxies'>) =>
  ({
    logger: false,
    bodyLimit: bodyLimitBytes,
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: requestTimeoutMs,
    routerOptions: { maxParamLength },
    trustProxy: config.trustedProxies.length === 0 ? false : [...config.trustedProxies],
    genReqId: (request: IncomingMessage) => requestIdOf(request),
    // Whoever still got in on an open connection while the process drains is served, and told to close it.
    return503OnClosing: false,
    http: {
      connectionsCheckingInterval: connectionsCheckingIntervalMs,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveInitialDelayMs,
      maxHeaderSize: maxHeaderBytes,
    },
  }) satisfies FastifyServerOptions & { http: object };
