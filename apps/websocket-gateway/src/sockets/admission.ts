import { type IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http';
import { type AppError, type Clock, newId } from '#infra/kernel';
import type { GatewayConfig } from '../gateway.config.js';
import { fail } from '../gateway.errors.js';
import type { GatewayMetrics } from '../gateway.metrics.js';
import { refusalOf, statusOf } from './refusal.js';
import { TokenBucket } from './token-bucket.js';

/** Names under which clients have been seen to put tokens into URLs, where logs and proxies keep them. */
const tokenParameters = ['token', 'access_token', 'accessToken', 'auth', 'jwt'] as const;

interface AdmissionParts {
  readonly config: Pick<GatewayConfig, 'origins' | 'socketsMax' | 'connectsPerSecond'>;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
}

/** Decides over a handshake before it costs anything: by what HTTP says of it, and by how busy this process is. */
export class Admission {
  readonly #origins: ReadonlySet<string>;
  readonly #pace: TokenBucket;
  #isOpen = true;

  constructor(private readonly parts: AdmissionParts) {
    const { config, clock } = parts;
    this.#origins = new Set(config.origins);
    this.#pace = new TokenBucket(config.connectsPerSecond, config.connectsPerSecond, clock.now());
  }

  /** From now on every handshake is sent elsewhere. */
  close(): void {
    this.#isOpen = false;
  }

  /** A middleware of the engine. `open`: connections that there are. */
  guard(open: () => number) {
    return (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
      const refused = this.#judge(request, open());
      if (refused === null) next();
      else {
        this.parts.metrics.refused(refused.code);
        refuse(request, response, refused);
      }
    };
  }

  #judge({ url = '', headers }: IncomingMessage, open: number): AppError | null {
    const { config, clock } = this.parts;
    const query = new URL(url, 'http://gateway').searchParams;
    if (tokenParameters.some((name) => query.has(name))) return fail('socket.token_in_url');
    if (headers.origin !== undefined && !this.#origins.has(headers.origin)) return fail('socket.origin_refused');
    if (!this.#isOpen) return fail('gateway.draining', { retryAfterMs: 1_000 });
    if (open >= config.socketsMax) return fail('socket.too_many', { retryAfterMs: 5_000 });
    return this.#pace.take(clock.now()) ? null : fail('socket.connects_too_fast', { retryAfterMs: 1_000 });
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, error: AppError): void {
  const status = statusOf(error.kind);
  const body = JSON.stringify({ status, ...refusalOf(error, newId()) });
  const headers = {
    'content-type': 'application/problem+json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    connection: 'close',
    ...(error.options.retryAfterMs === undefined
      ? {}
      : { 'retry-after': String(Math.ceil(error.options.retryAfterMs / 1_000)) }),
  };
  if (response instanceof ServerResponse) {
    response.writeHead(status, headers).end(body);
    return;
  }
  // An upgrade has no response object: the answer is written on the bare connection.
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const { socket } = request;
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy());
}
