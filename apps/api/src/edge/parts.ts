import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest, InjectOptions } from 'fastify';
import { monotonicMs } from '#infra/kernel';
import { bearerToken } from './access-guard.js';
import { answerDeadlineMs } from './server-options.js';
import { timeLeftHeader } from './time-left.js';

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

/** How long after its deadline a part may still say what became of it: that its statement was cancelled. */
const lastWordMs = 1_000;

/** Puts requests to this very server as whoever called: each goes through every hook, with its own admission, limits and audit, and all of them within the time of the whole. */
export class Parts {
  constructor(private readonly whole: FastifyRequest) {}

  get callerIsGone(): boolean {
    return this.whole.abandoned;
  }

  /** Too late to begin another one: each gets half of a request's time at least. */
  get timeIsUp(): boolean {
    return this.leftMs < answerDeadlineMs / 2;
  }

  /**
   * `number` from 1: part of the part's request id. Rejects where the whole's time is over and the
   * part has not said what became of it.
   */
  async call(part: Part, number: number): Promise<PartAnswer> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error('the time of the whole is over')),
        Math.max(0, this.leftMs) + lastWordMs,
      );
    });
    return Promise.race([this.answerOf(part, number), late]).finally(() => clearTimeout(timer));
  }

  private get leftMs(): number {
    return answerDeadlineMs - (monotonicMs() - this.whole.startedAtMs);
  }

  private async answerOf({ method, path, headers, body }: Part, number: number): Promise<PartAnswer> {
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
      [timeLeftHeader]: String(Math.max(0, Math.floor(this.leftMs))),
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
