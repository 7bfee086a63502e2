import { Controller, Delete, Get, Param } from '@nestjs/common';
import { Sessions } from '#infra/identity';
import type { SessionId, TenantContext, UserId } from '#infra/kernel';
import { Access, Ctx, idOf } from '../edge/index.js';
import { presentSessions, sessionsAnswer } from './sessions.dto.js';

const sessionId = idOf<SessionId>('session');
const userId = idOf<UserId>('user');

/** Who is logged in where. */
@Controller('api/v1')
export class SessionsController {
  constructor(private readonly sessions: Sessions) {}

  @Get('sessions')
  @Access({
    permission: 'self',
    limit: 'read',
    audit: 'session.read',
    answers: sessionsAnswer,
    summary: 'My open sessions, newest first',
  })
  async listOwn(@Ctx() ctx: TenantContext) {
    return presentSessions(ctx, await this.sessions.listOwn(ctx));
  }

  @Delete('sessions/:sessionId')
  @Access({
    permission: 'self',
    limit: 'write',
    audit: 'session.revoke',
    answers: null,
    status: 204,
    refusals: ['session.unknown'],
    summary: 'End one of my sessions',
  })
  async revokeOwn(@Ctx() ctx: TenantContext, @Param('sessionId', { schema: sessionId }) id: SessionId): Promise<void> {
    await this.sessions.revokeOwn(ctx, id);
  }

  @Get('users/:userId/sessions')
  @Access({
    permission: 'sessions.manage',
    limit: 'read',
    audit: 'session.read',
    answers: sessionsAnswer,
    refusals: ['user.unknown'],
    summary: 'The open sessions of a user, newest first',
  })
  async list(@Ctx() ctx: TenantContext, @Param('userId', { schema: userId }) user: UserId) {
    return presentSessions(ctx, await this.sessions.list(ctx, user));
  }

  @Delete('users/:userId/sessions/:sessionId')
  @Access({
    permission: 'sessions.manage',
    limit: 'write',
    audit: 'session.revoke',
    answers: null,
    status: 204,
    refusals: ['session.unknown'],
    summary: 'End a session of a user; it is refused everywhere within a second',
  })
  async revoke(
    @Ctx() ctx: TenantContext,
    @Param('userId', { schema: userId }) user: UserId,
    @Param('sessionId', { schema: sessionId }) id: SessionId,
  ): Promise<void> {
    await this.sessions.revoke(ctx, user, id);
  }
}
