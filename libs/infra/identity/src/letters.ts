import { type TenantContext, toDate } from '#infra/kernel';
import type { IdentityParts } from './identity.parts.js';
import { type Mailed, MailedRepository } from './mailed.repository.js';
import { type MailedKind, writeMailedToken } from './mailed-token.js';
import { openProfile } from './profiles.js';
import type { InvitationId, PasswordResetId, UserStatus } from './user.js';
import { type UserRow, UsersRepository } from './users.repository.js';

export interface Letter {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

interface Found {
  readonly mailed: Mailed<InvitationId | PasswordResetId>;
  readonly user: UserRow;
}

/** What must still be true of the user when the mail goes out. */
const statusFor = { invitation: 'invited', password_reset: 'active' } as const satisfies Record<MailedKind, UserStatus>;

/** Renders mails at the moment they are sent: neither address nor token is ever stored in clear or queued. */
export class Letters {
  readonly #users = new UsersRepository();
  readonly #rows = new MailedRepository();

  constructor(private readonly parts: IdentityParts) {}

  /** Null where there is nobody to write to any more: spent, expired, unknown. */
  async mail(ctx: TenantContext, kind: MailedKind, id: InvitationId | PasswordResetId): Promise<Letter | null> {
    const { sharding, crypto, keys, config, clock } = this.parts;
    const found = await this.#find(ctx, kind, id);
    if (found === null || found.mailed.spent || clock.now() >= found.mailed.expiresAt) return null;
    if (found.user.status !== statusFor[kind]) return null;
    const { name } = await sharding.tenants.byId(ctx.tenant.id);
    const { email } = await openProfile(crypto, ctx.tenant.id, found.user);
    const token = writeMailedToken(kind, ctx.tenant.id, id, keys.mailed);
    return { to: email, ...wordsOf(kind, oneLine(name), linkTo(config.appUrl, kind, token), found.mailed.expiresAt) };
  }

  #find(ctx: TenantContext, kind: MailedKind, id: InvitationId | PasswordResetId): Promise<Found | null> {
    return this.parts.sharding.directory.read(ctx, async (tx) => {
      const mailed =
        kind === 'invitation'
          ? await this.#rows.invitation(tx, id as InvitationId)
          : await this.#rows.reset(tx, id as PasswordResetId);
      if (mailed === null || mailed.userId === null) return null;
      const user = await this.#users.byId(tx, mailed.userId);
      return user === null ? null : { mailed, user };
    });
  }
}

const pages: Readonly<Record<MailedKind, string>> = { invitation: '/join', password_reset: '/new-password' };

/** Behind the `#`, which browsers keep to themselves: the token reaches no server's log and no Referer. */
const linkTo = (appUrl: string, kind: MailedKind, token: string): string =>
  `${appUrl.replace(/\/+$/, '')}${pages[kind]}#token=${token}`;

function wordsOf(kind: MailedKind, tenant: string, link: string, expiresAt: number): Omit<Letter, 'to'> {
  const until = utcText(expiresAt);
  switch (kind) {
    case 'invitation':
      return {
        subject: `Your account at ${tenant}`,
        text: `You are invited to work with ${tenant} in Praxis.\n\nChoose your password here:\n${link}\n\nThe link works once, until ${until}. If you did not expect it, ignore this mail.\n`,
      };
    case 'password_reset':
      return {
        subject: `A new password for ${tenant}`,
        text: `Somebody, probably you, asked for a new password for your account at ${tenant}.\n\nChoose it here:\n${link}\n\nThe link works once, until ${until}, and ends all your sessions. If it was not you, ignore this mail: your password stays.\n`,
      };
  }
}

/** `2026-12-01 09:30 UTC` */
const utcText = (instant: number): string => `${toDate(instant).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** A tenant's name must not reach into a mail's headers. */
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();
