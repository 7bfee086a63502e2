import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { type CheckStatus, ProcessHealth, ServerHealth } from '#infra/health';
import { Access } from '../edge/index.js';
import {
  cachesAnswer,
  databasesAnswer,
  healthAnswer,
  presentCaches,
  presentDatabases,
  presentHealth,
} from './operations.dto.js';

const staff = { permission: 'operations.read', audit: 'none', limit: 'read' } as const;
const unavailable = 503;

/** How this process and every server that it works with stand. By name and role: no address is told. */
@Controller('api/health')
export class ServersController {
  constructor(
    private readonly servers: ServerHealth,
    private readonly itself: ProcessHealth,
  ) {}

  @Get()
  @Access({ ...staff, answers: healthAnswer, summary: 'This process, every database and every Redis; 503 when down' })
  async everything(@Res({ passthrough: true }) reply: FastifyReply) {
    const [databases, caches] = await Promise.all([this.servers.databases(), this.servers.caches()]);
    return answer(reply, presentHealth(this.itself.read(), databases, caches));
  }

  @Get('database')
  @Access({
    ...staff,
    answers: databasesAnswer,
    summary: 'Every primary and replica; 503 when no tenant can be served',
  })
  async databases(@Res({ passthrough: true }) reply: FastifyReply) {
    return answer(reply, presentDatabases(await this.servers.databases()));
  }

  @Get('cache')
  @Access({
    ...staff,
    answers: cachesAnswer,
    summary: 'Redis in each of its roles; without it all is slower, nothing down',
  })
  async caches(@Res({ passthrough: true }) reply: FastifyReply) {
    return answer(reply, presentCaches(await this.servers.caches()));
  }
}

/** What is down is no failed request: the same document, with 503. */
function answer<Body extends { readonly status: CheckStatus }>(reply: FastifyReply, body: Body): Body {
  if (body.status === 'down') reply.code(unavailable);
  return body;
}
