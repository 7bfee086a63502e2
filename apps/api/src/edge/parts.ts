import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest, InjectOptions } from 'fastify';
import { monotonicMs } from '#infra/kernel';
import { bearerToken } from './access-guard.js';
import { answerDeadlineMs } from './server-options.js';

/** One request inside another. */
export interface Part {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON; undefined: none. */
  readonly body: unknown;
}

export interface PartAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** undefined where the answer is not JSON. */
  readonly body: unknown;
}

/** Headers of an answer that belong to the part and not to the connection. */
const told = ['etag', 'idempotency-replayed', 'location', 'retry-after', 'x-consistency-token'] as const;

/** Puts requests to this very server as whoever called: each goes through every hook, with its own admission, limits and audit. */
export class Parts {
  constructor(private readonly whole: FastifyRequest) {}

  get callerIsGone(): boolean {
    return this.whole.abandoned;
  }

  /** Too late to begin another one: each may take as long as any request. */
  get timeIsUp(): boolean {
    return monotonicMs() - this.whole.startedAtMs >= answerDeadlineMs / 2;
  }

  /** `number` from 1: part of the part's request id. */
  async call({ method, path, headers, body }: Part, number: number): Promise<PartAnswer> {
    const answer = await this.whole.server.inject({
      method,
      url: path,
      headers: { ...this.carried(number), ...headers, ...(body === undefined ? {} : jsonType) },
      ...addressOf(this.whole),
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    });
    const { statusCode: status, payload } = answer;
    const isJson = String(answer.headers['content-type'] ?? '').includes('json');
    return {
      status,
      headers: Object.fromEntries(told.flatMap((name) => entryOf(name, answer.headers[name]))),
      body: payload === '' ? null : isJson ? JSON.parse(payload) : undefined,
    };
  }

  private carried(number: number): Record<string, string> {
    const { id, headers } = this.whole;
    const forwarded = headers['x-forwarded-for'];
    return {
      authorization: `Bearer ${bearerToken(headers.authorization)}`,
      'x-request-id': `${id}.${number}`,
      ...(forwarded === undefined ? {} : { 'x-forwarded-for': String(forwarded) }),
    };
  }
}

const jsonType = { 'content-type': 'application/json' };

const addressOf = ({ socket }: FastifyRequest): Pick<InjectOptions, 'remoteAddress'> =>
  socket.remoteAddress === undefined ? {} : { remoteAddress: socket.remoteAddress };

const entryOf = (name: string, value: unknown): [string, string][] =>
  value === undefined ? [] : [[name, String(value)]];

const partsOf = (_: unknown, execution: ExecutionContext): Parts =>
  new Parts(execution.switchToHttp().getRequest<FastifyRequest>());

/** How a handler calls other routes on behalf of its caller. */
export const PartsOfBatch = Object.assign(createParamDecorator(partsOf), { factory: partsOf });
