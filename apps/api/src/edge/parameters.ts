import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Context } from '#infra/kernel';
import { fail } from './edge.errors.js';

/** Strong validators only: If-Match compares strongly (RFC 9110, 13.1.1). */
const entityTag = /^"v([1-9][0-9]{0,8})"$/;

const requestOf = (execution: ExecutionContext) => execution.switchToHttp().getRequest<FastifyRequest>();

/** The Context of this request: of its tenant on every route but a public one. */
export const Ctx = createParamDecorator((_: unknown, execution: ExecutionContext): Context => requestOf(execution).ctx);

const versionOf = (_: unknown, execution: ExecutionContext): number =>
  readIfMatch(requestOf(execution).headers['if-match']);

/** The version that the caller read, from `If-Match: "v<version>"`; without the header 428, malformed 400. */
export const IfMatch = Object.assign(createParamDecorator(versionOf), { factory: versionOf });

export function readIfMatch(header: string | undefined): number {
  if (header === undefined) throw fail('request.if_match_required');
  const version = entityTag.exec(header.trim())?.[1];
  if (version === undefined) throw fail('request.if_match_malformed');
  return Number(version);
}
