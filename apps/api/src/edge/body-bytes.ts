import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { errorCodes, type FastifyReply, type FastifyRequest, type RequestPayload } from 'fastify';
import { isAppError } from '#infra/kernel';
import { type ByteMedia, byteMediaTypes } from './byte-media.js';
import { fail } from './edge.errors.js';

/** A body as it arrives, never all of it in memory. It can be read once. */
export class BodyStream implements AsyncIterable<Buffer> {
  constructor(
    private readonly source: Readable,
    private readonly limitBytes: number,
  ) {}

  /** Throws request.too_large beyond the route's limit, request.broken_off where the caller went away or was cut off. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    let bytes = 0;
    try {
      // Destroyed, it would take the socket with it, and the answer.
      for await (const chunk of this.source.iterator({ destroyOnReturn: false })) {
        bytes += chunk.length;
        if (bytes > this.limitBytes) throw fail('request.too_large');
        yield chunk;
      }
    } catch (error) {
      throw isAppError(error) ? error : fail('request.broken_off', { cause: error });
    }
  }
}

const nothing = new BodyStream(Readable.from([]), 0);

const bytesOf = (_: unknown, execution: ExecutionContext): BodyStream =>
  (execution.switchToHttp().getRequest<FastifyRequest>().body as BodyStream | undefined) ?? nothing;

/** The body of a route that `receives` bytes. */
export const BodyBytes = Object.assign(createParamDecorator(bytesOf), { factory: bytesOf });

type Parsed = (error: Error | null, body?: unknown) => void;

/** The parser of a media type that only the routes take which say so. */
export function parseBytes(media: ByteMedia) {
  return ({ routeOptions }: FastifyRequest, payload: RequestPayload, done: Parsed): void => {
    const rule = routeOptions.config.access;
    if (rule?.receives === media) done(null, new BodyStream(payload, rule.bodyLimitBytes ?? 0));
    else done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE());
  };
}

/** Before the first byte is read: the right media type, as it is, and not longer than the route takes. */
export function expectBytes(media: ByteMedia, limitBytes: number) {
  return (
    request: FastifyRequest,
    _reply: FastifyReply,
    payload: RequestPayload,
    done: (error: Error | null, payload?: RequestPayload) => void,
  ): void => {
    const { headers } = request;
    if (!isOf(media, headers)) done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE());
    else if (Number(headers['content-length'] ?? 0) > limitBytes) done(fail('request.too_large'));
    else done(null, payload);
  };
}

/** Not compressed: a small request would grow into a large one. */
const isOf = (media: ByteMedia, { 'content-type': type = '', 'content-encoding': encoding }: IncomingHttpHeaders) =>
  type.split(';', 1)[0]?.trim().toLowerCase() === byteMediaTypes[media] && (encoding ?? 'identity') === 'identity';

/** A refusal before the last byte ends the connection: what is still on its way belongs to nobody. */
export function closeEarly(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: Error | null, payload?: unknown) => void,
): void {
  if (reply.statusCode >= firstFailure && !request.raw.complete) reply.header('connection', 'close');
  done(null, payload);
}

const firstFailure = 400;
