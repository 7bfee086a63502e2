import type { Context, TenantContext } from '#infra/kernel';
import { removeExpiredRows } from './expired-rows.js';
import type { IdentityParts } from './identity.parts.js';
import { Invitations } from './invitations.js';
import { type Letter, Letters } from './letters.js';
import type { MailedKind } from './mailed-token.js';
import { PasswordResets } from './password-resets.js';
import { Sessions } from './sessions.js';
import type { InvitationId, PasswordResetId } from './user.js';
import { Users } from './users.js';

/** Who the people of a tenant are, and whether a request is really theirs. */
export class Identity {
  readonly sessions: Sessions;
  readonly users: Users;
  readonly invitations: Invitations;
  readonly passwordResets: PasswordResets;
  readonly #letters: Letters;

  constructor(private readonly parts: IdentityParts) {
    this.sessions = new Sessions(parts);
    this.users = new Users(parts, this.sessions);
    this.invitations = new Invitations(parts);
    this.passwordResets = new PasswordResets(parts, this.sessions);
    this.#letters = new Letters(parts);
  }

  /** The mail that a job asks for, made now; null where there is nobody to write to any more. */
  mail(ctx: TenantContext, kind: MailedKind, id: InvitationId | PasswordResetId): Promise<Letter | null> {
    return this.#letters.mail(ctx, kind, id);
  }

  /** For a schedule: at most 1,000 rows of each kind; how many were removed. */
  removeExpired(ctx: Context): Promise<number> {
    return removeExpiredRows(ctx, this.parts);
  }
}
