import { Controller, Get, Res, ServiceUnavailableException } from '@nestjs/common';
import { HealthCheckService, type HealthIndicatorResult } from '@nestjs/terminus';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { type CheckReport, type HealthReport, Readiness } from '#infra/health';
import { Access } from '../edge/index.js';

const part = z.record(z.string(), z.looseObject({ status: z.enum(['up', 'degraded', 'down']) }));
const healthAnswer = z.strictObject({
  status: z.enum(['ok', 'degraded', 'error', 'shutting_down']),
  info: part.optional(),
  error: part.optional(),
  details: part,
});
const probe = { permission: 'public', audit: 'none', limit: 'unlimited' } as const;
const unavailable = 503;

/** What orchestrators and load balancers ask; answered without limits, without a login, and from memory for a second. */
@Controller()
export class HealthController {
  constructor(
    private readonly readiness: Readiness,
    private readonly health: HealthCheckService,
  ) {}

  @Get('health/live')
  @Access({ ...probe, answers: z.strictObject({ status: z.literal('ok') }), summary: 'The event loop turns' })
  live() {
    return { status: 'ok' };
  }

  @Get('health/startup')
  @Access({ ...probe, answers: healthAnswer, summary: 'The process has done what it does once' })
  startup(@Res({ passthrough: true }) reply: FastifyReply) {
    return this.answer(reply, [() => ({ start: { status: this.readiness.started ? 'up' : 'down' } })]);
  }

  @Get('health/ready')
  @Access({ ...probe, answers: healthAnswer, summary: 'This process should get requests' })
  ready(@Res({ passthrough: true }) reply: FastifyReply) {
    return this.answer(reply, [async () => indicatorsOf(await this.readiness.report())]);
  }

  @Get('health')
  @Access({ ...probe, answers: healthAnswer, summary: 'As /health/ready' })
  readyBriefly(@Res({ passthrough: true }) reply: FastifyReply) {
    return this.ready(reply);
  }

  @Get('api/v1/health')
  @Access({ ...probe, answers: healthAnswer, summary: 'As /health/ready' })
  readyUnderBase(@Res({ passthrough: true }) reply: FastifyReply) {
    return this.ready(reply);
  }

  /** An unhealthy process is no failed request: the same document, with 503. */
  private async answer(reply: FastifyReply, indicators: Parameters<HealthCheckService['check']>[0]) {
    try {
      return await this.health.check(indicators);
    } catch (error) {
      if (!(error instanceof ServiceUnavailableException)) throw error;
      reply.code(unavailable);
      return error.getResponse();
    }
  }
}

/** A part that may be away without making the process unready is shown as degraded: terminus has no such notion. */
function indicatorsOf({ status, draining, checks }: HealthReport): HealthIndicatorResult {
  const shown = (check: CheckReport): CheckReport =>
    status !== 'down' && check.status === 'down' ? { ...check, status: 'degraded' } : check;
  const parts = Object.entries(checks).map(([name, check]) => [name, shown(check)] as const);
  const itself = { process: { status: status === 'down' ? 'down' : 'up', draining } };
  return { ...itself, ...Object.fromEntries(parts) } as HealthIndicatorResult;
}
