import { Body, Controller, Post } from '@nestjs/common';
import type { z } from 'zod';
import { Invitations, PasswordResets, Sessions } from '#infra/identity';
import type { Context, TenantContext } from '#infra/kernel';
import { Access, Ctx } from '../edge/index.js';
import {
  acceptBody,
  confirmBody,
  grantAnswer,
  joinedAnswer,
  loginAnswer,
  loginBody,
  presentGrant,
  presentLogin,
  refreshBody,
  resetBody,
} from './auth.dto.js';

const open = { permission: 'public', limit: 'auth', importance: 'critical' } as const;
const passwordFaults = ['password.too_short', 'password.too_long', 'password.guessable'] as const;

/** Getting in and out. Secrets travel in bodies only, never in a URL. */
@Controller('api/v1/auth')
export class AuthController {
  constructor(
    private readonly sessions: Sessions,
    private readonly invitations: Invitations,
    private readonly passwordResets: PasswordResets,
  ) {}

  @Post('login')
  @Access({
    ...open,
    audit: 'session.login',
    answers: loginAnswer,
    refusals: [
      'credentials.wrong',
      'auth.challenge_required',
      'auth.challenge_failed',
      'login.locked',
      'login.busy',
      'tenant.suspended',
    ],
    summary: 'Log in with tenant, e-mail and password',
  })
  async login(@Ctx() ctx: Context, @Body({ schema: loginBody }) body: z.infer<typeof loginBody>) {
    return presentLogin(await this.sessions.login(ctx, body));
  }

  @Post('refresh')
  @Access({
    ...open,
    limit: 'session',
    audit: 'token.reuse',
    answers: grantAnswer,
    refusals: ['refresh_token.invalid', 'refresh_token.reused', 'session.ended', 'tenant.suspended'],
    summary: 'Exchange the refresh token for a new pair; repeat with the same token when no answer came',
  })
  async refresh(@Ctx() ctx: Context, @Body({ schema: refreshBody }) body: z.infer<typeof refreshBody>) {
    return presentGrant(await this.sessions.refresh(ctx, body.refreshToken));
  }

  @Post('logout')
  @Access({
    permission: 'self',
    limit: 'session',
    audit: 'session.logout',
    answers: null,
    status: 204,
    summary: 'End the session that asks',
  })
  async logout(@Ctx() ctx: TenantContext): Promise<void> {
    await this.sessions.logout(ctx);
  }

  @Post('invitations/accept')
  @Access({
    ...open,
    audit: 'user.join',
    answers: joinedAnswer,
    refusals: ['invitation.invalid', 'invitation.expired', ...passwordFaults],
    summary: 'Accept an invitation with the mailed token and a password of one’s own',
  })
  accept(@Ctx() ctx: Context, @Body({ schema: acceptBody }) body: z.infer<typeof acceptBody>) {
    return this.invitations.accept(ctx, body);
  }

  @Post('password-reset')
  @Access({
    ...open,
    limit: 'strict',
    audit: 'password.request',
    answers: null,
    status: 202,
    summary: 'Ask for a mail with a link for a new password; the answer is the same whoever asks',
  })
  async requestReset(@Ctx() ctx: Context, @Body({ schema: resetBody }) body: z.infer<typeof resetBody>): Promise<void> {
    await this.passwordResets.request(ctx, body);
  }

  @Post('password-reset/confirm')
  @Access({
    ...open,
    limit: 'strict',
    audit: 'password.reset',
    answers: null,
    status: 204,
    refusals: ['password_reset.invalid', 'password_reset.expired', ...passwordFaults],
    summary: 'Choose a new password with the mailed token; ends every session of the user',
  })
  async confirmReset(
    @Ctx() ctx: Context,
    @Body({ schema: confirmBody }) body: z.infer<typeof confirmBody>,
  ): Promise<void> {
    await this.passwordResets.confirm(ctx, body);
  }
}
