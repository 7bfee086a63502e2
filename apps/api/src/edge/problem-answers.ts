import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '#infra/telemetry';
import { routeOf } from './observe.js';
import { problemMediaType, refusalOf } from './problem.js';

const firstBug = 500;
const unavailable = 503;
/** Many are at once, by design, and it must cost little: the one line of every request tells of it. */
const turnedAway = 'service.overloaded';

/** The only place where a failure becomes an HTTP answer; handlers, hooks and the router all end here. */
@Catch()
export class ProblemAnswers implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { problem, headers } = refusalOf(error, request.id);
    request.problemCode = problem.code;
    if (problem.status >= firstBug) this.report(error, request, problem.status, problem.code);
    if (reply.sent) return;
    reply.removeHeader('etag');
    reply.code(problem.status).headers(headers).type(problemMediaType).send(JSON.stringify(problem));
  }

  private report(error: unknown, request: FastifyRequest, status: number, code: string): void {
    if (code === turnedAway) return;
    const fields = { requestId: request.id, method: request.method, route: routeOf(request), status, code, error };
    if (status === unavailable) this.log.warn('request.unavailable', fields);
    else this.log.error('request.failed', fields);
  }
}
