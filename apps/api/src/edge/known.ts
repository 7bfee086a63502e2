import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

const nothingNew = 200;

/** For a handler whose rule says what `known` means: called, the answer is 200 instead of the rule's status. */
export const TellKnown = createParamDecorator((_: unknown, execution: ExecutionContext) => {
  const request = execution.switchToHttp().getRequest<FastifyRequest>();
  return (): void => {
    request.known = true;
  };
});

export function answerKnown(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: Error | null, payload?: unknown) => void,
): void {
  if (request.known && reply.statusCode < firstRefusal) reply.code(nothingNew);
  done(null, payload);
}

const firstRefusal = 300;
