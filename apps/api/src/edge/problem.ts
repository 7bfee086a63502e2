import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import type { FastifyError } from 'fastify';
import { type AppError, type ErrorKind, type InputMistake, isAppError } from '#infra/kernel';
import { registeredProblemTypes } from '#infra/throttling';
import { entityTag } from './answer-headers.js';
import { fail } from './edge.errors.js';

/** RFC 9457. No member carries a value of the request. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly requestId: string;
  readonly errors?: readonly InputMistake[];
}

/** A failure as HTTP says it: the document and the headers that belong to it. */
export interface Refusal {
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;
}

export const problemMediaType = 'application/problem+json; charset=utf-8';
const maxMistakes = 50;
const usualRetryMs = 1_000;

export function statusOf(kind: ErrorKind): number {
  switch (kind) {
    case 'unparsable':
      return 400;
    case 'unauthenticated':
      return 401;
    case 'payment_required':
      return 402;
    case 'forbidden':
      return 403;
    case 'not_found':
      return 404;
    case 'too_slow':
      return 408;
    case 'conflict':
      return 409;
    case 'gone':
      return 410;
    case 'precondition_failed':
      return 412;
    case 'too_large':
      return 413;
    case 'invalid':
      return 422;
    case 'precondition_required':
      return 428;
    case 'limited':
      return 429;
    case 'internal':
      return 500;
    case 'unavailable':
      return 503;
    case 'timeout':
      return 504;
  }
}

export const titleOf = (status: number): string => STATUS_CODES[status] ?? 'Error';

/** Declared failures say what their table says; what nobody declared says only that something went wrong. */
export function refusalOf(error: unknown, requestId: string): Refusal {
  if (isAppError(error)) return { problem: problemOf(error, requestId), headers: headersOf(error) };
  const foreign = foreignRefusal(error);
  if (foreign !== undefined)
    return { problem: document(foreign.status, foreign.code, foreign.detail, requestId), headers: {} };
  return refusalOf(fail('internal.unexpected', { cause: error }), requestId);
}

/** A failure as one part of an answer. */
export function problemAnswer(error: unknown, requestId: string) {
  const { problem, headers } = refusalOf(error, requestId);
  return { status: problem.status, headers, body: problem };
}

function problemOf(error: AppError, requestId: string): Problem {
  const status = statusOf(error.kind);
  const { mistakes, extra } = error.options;
  // An internal failure speaks only of itself: its table's text may name our parts.
  if (error.kind === 'internal') return document(status, error.code, internalDetail, requestId);
  const base = document(status, error.code, error.publicText, requestId);
  const errors = mistakes === undefined ? {} : { errors: mistakes.slice(0, maxMistakes) };
  return { ...base, ...extra, ...base, ...errors };
}

const internalDetail = fail.table['internal.unexpected'].public;

const document = (status: number, code: string, detail: string, requestId: string): Problem => ({
  type: registeredProblemTypes[code] ?? `/problems/${code}`,
  title: titleOf(status),
  status,
  detail,
  code,
  requestId,
});

/** RFC 6750: the caller sent a token and should get a new one; otherwise they never logged in. */
const refusedTokens: ReadonlySet<string> = new Set(['access.token_refused', 'token.invalid', 'session.ended']);

function headersOf(error: AppError): Readonly<Record<string, string>> {
  const retryAfter = () => String(Math.max(1, Math.ceil((error.options.retryAfterMs ?? usualRetryMs) / 1000)));
  if (error.kind === 'unauthenticated')
    return { 'www-authenticate': refusedTokens.has(error.code) ? 'Bearer error="invalid_token"' : 'Bearer' };
  if (error.kind === 'limited' || error.kind === 'unavailable') return { 'retry-after': retryAfter() };
  const currentVersion = error.options.extra?.currentVersion;
  if (error.kind === 'precondition_failed' && typeof currentVersion === 'number')
    return { etag: entityTag(currentVersion) };
  return error.options.retryAfterMs === undefined ? {} : { 'retry-after': retryAfter() };
}

interface ForeignRefusal {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
}

/** What Fastify and Nest refuse by themselves; their own texts repeat parts of the request and are never used. */
function foreignRefusal(error: unknown): ForeignRefusal | undefined {
  const fromNest = error instanceof HttpException ? error : undefined;
  const inner = fromNest?.cause ?? error;
  const fromFastify = inner instanceof Error && inner.name === 'FastifyError' ? (inner as FastifyError) : undefined;
  const byCode = fromFastify && fastifyRefusals[fromFastify.code];
  return byCode ?? statusRefusals[fromNest?.getStatus() ?? fromFastify?.statusCode ?? 0];
}

const foreign = (status: number, code: string, detail: string): ForeignRefusal => ({ status, code, detail });
const declared = (code: keyof typeof fail.table): ForeignRefusal =>
  foreign(statusOf(fail.table[code].kind), code, fail.table[code].public);

const unsupported = foreign(
  415,
  'request.unsupported_media_type',
  'Send the body as application/json, or as what this operation says that it takes.',
);
const urlTooLong = foreign(414, 'request.url_too_long', 'A part of the URL is longer than 500 characters.');

const fastifyRefusals: Readonly<Record<string, ForeignRefusal>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: declared('request.malformed_json'),
  FST_ERR_CTP_EMPTY_JSON_BODY: declared('request.malformed_json'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: declared('request.malformed'),
  FST_ERR_CTP_BODY_TOO_LARGE: declared('request.too_large'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: unsupported,
  FST_ERR_BAD_URL: declared('request.malformed_url'),
  FST_ERR_MAX_PARAM_LENGTH: urlTooLong,
};

const statusRefusals: Readonly<Record<number, ForeignRefusal>> = {
  400: declared('request.malformed'),
  404: declared('route.not_found'),
  405: foreign(405, 'request.method_not_allowed', 'This cannot be done here.'),
  406: foreign(406, 'request.not_acceptable', 'There is no such representation.'),
  408: declared('request.body_too_slow'),
  413: declared('request.too_large'),
  414: urlTooLong,
  415: unsupported,
};
