import { Body, Controller, Get, Param, Post, Put, Query } from '@nestjs/common';
import type { z } from 'zod';
import { Invitations, type UserKey, Users } from '#infra/identity';
import type { TenantContext, UserId } from '#infra/kernel';
import { Access, Ctx, IfMatch, idOf, PageQuery, type Paging, presentPage } from '../edge/index.js';
import { inviteBody, invitedAnswer, presentUser, rolesBody, userAnswer, usersAnswer, usersQuery } from './users.dto.js';

const userId = idOf<UserId>('user');
const changeRefusals = [
  'user.unknown',
  'user.changed',
  'user.self_change',
  'user.owner_only',
  'user.last_owner',
] as const;
const change = { permission: 'users.manage', limit: 'write', answers: userAnswer, refusals: changeRefusals } as const;

/** The people of a tenant who log in. */
@Controller('api/v1/users')
export class UsersController {
  constructor(
    private readonly users: Users,
    private readonly invitations: Invitations,
  ) {}

  @Get()
  @Access({
    permission: 'users.read',
    limit: 'read',
    audit: 'user.read',
    answers: usersAnswer,
    summary: 'Users in the order in which they came',
  })
  async list(
    @Ctx() ctx: TenantContext,
    @Query({ schema: usersQuery }) _query: z.infer<typeof usersQuery>,
    @PageQuery() page: Paging<UserKey>,
  ) {
    return presentPage(page, await this.users.list(ctx, page), presentUser);
  }

  @Post('invitations')
  @Access({
    permission: 'users.invite',
    limit: 'write',
    audit: 'user.invite',
    idempotency: 'accepted',
    answers: invitedAnswer,
    status: 201,
    refusals: ['user.exists', 'user.owner_only', 'quota.exceeded'],
    summary: 'Invite somebody by mail; once more to replace the link',
  })
  invite(@Ctx() ctx: TenantContext, @Body({ schema: inviteBody }) body: z.infer<typeof inviteBody>) {
    return this.invitations.invite(ctx, body);
  }

  @Get('me')
  @Access({ permission: 'self', limit: 'read', audit: 'user.read', answers: userAnswer, summary: 'The user who asks' })
  async me(@Ctx() ctx: TenantContext) {
    return presentUser(await this.users.me(ctx));
  }

  @Get(':userId')
  @Access({
    permission: 'users.read',
    limit: 'read',
    audit: 'user.read',
    answers: userAnswer,
    refusals: ['user.unknown'],
    summary: 'One user',
  })
  async read(@Ctx() ctx: TenantContext, @Param('userId', { schema: userId }) id: UserId) {
    return presentUser(await this.users.read(ctx, id));
  }

  @Put(':userId/roles')
  @Access({ ...change, audit: 'role.change', summary: 'Replace the roles of a user; applies within a second' })
  async changeRoles(
    @Ctx() ctx: TenantContext,
    @Param('userId', { schema: userId }) id: UserId,
    @IfMatch() version: number,
    @Body({ schema: rolesBody }) body: z.infer<typeof rolesBody>,
  ) {
    return presentUser(await this.users.changeRoles(ctx, id, body.roles, version));
  }

  @Post(':userId/disable')
  @Access({ ...change, audit: 'user.disable', summary: 'Shut a user out, within a second, and end all their sessions' })
  async disable(
    @Ctx() ctx: TenantContext,
    @Param('userId', { schema: userId }) id: UserId,
    @IfMatch() version: number,
  ) {
    return presentUser(await this.users.disable(ctx, id, version));
  }

  @Post(':userId/enable')
  @Access({ ...change, audit: 'user.enable', summary: 'Let a disabled user in again' })
  async enable(@Ctx() ctx: TenantContext, @Param('userId', { schema: userId }) id: UserId, @IfMatch() version: number) {
    return presentUser(await this.users.enable(ctx, id, version));
  }
}
