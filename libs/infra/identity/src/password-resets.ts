import { type Context, newId, type TenantContext, type UserId } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import { emailTokens } from './email-index.js';
import { fail } from './identity.errors.js';
import { sendPasswordReset } from './identity.jobs.js';
import type { IdentityParts } from './identity.parts.js';
import { LoginAttemptsRepository } from './login-attempts.repository.js';
import { type Mailed, MailedRepository } from './mailed.repository.js';
import { readMailedToken } from './mailed-token.js';
import { assertPassword } from './own-password.js';
import { openProfile } from './profiles.js';
import type { Sessions } from './sessions.js';
import { inTenant, tenantById, tenantBySlug } from './tenancy.js';
import type { PasswordResetId } from './user.js';
import { type UserRow, UsersRepository } from './users.repository.js';

/** Mails that one user gets in a while; further requests change nothing and look the same. */
export const resetMails = { most: 3, perMs: 15 * 60_000 } as const;

/** A new password by a mailed link. */
export class PasswordResets {
  readonly #users = new UsersRepository();
  readonly #rows = new MailedRepository();
  readonly #attempts = new LoginAttemptsRepository();

  constructor(
    private readonly parts: IdentityParts,
    private readonly sessions: Sessions,
  ) {}

  /**
   * The same answer, after the same statements, whether or not somebody has that address: the job is queued in any
   * case, and the worker finds out whether there is anybody to write to.
   */
  async request(
    ctx: Context,
    { tenant: slug, email }: { readonly tenant: string; readonly email: string },
  ): Promise<void> {
    const { sharding, crypto } = this.parts;
    const entry = await tenantBySlug(sharding, slug);
    if (entry === null) return;
    const tokens = await emailTokens(crypto, entry.id, email);
    await sharding.directory.write(inTenant(ctx, entry), async (tx) => {
      const user = await this.#users.byEmail(tx, tokens.all);
      const userId = user?.status === 'active' ? user.id : null;
      await this.#send(tx, userId);
    });
  }

  /** Ends every session of the user. Throws password_reset.* and password.*. */
  async confirm(
    ctx: Context,
    { token, newPassword }: { readonly token: string; readonly newPassword: string },
  ): Promise<void> {
    const { keys, sharding, crypto, passwords } = this.parts;
    const named = readMailedToken<PasswordResetId>('password_reset', token, keys.mailed);
    const entry = named === null ? null : await tenantById(sharding, named.tenantId);
    if (named === null || entry === null) throw fail('password_reset.invalid');
    const asked = inTenant(ctx, entry);
    const user = await sharding.directory.read(asked, async (tx) => {
      const userId = this.#usable(await this.#rows.reset(tx, named.id));
      return active(await this.#users.byId(tx, userId));
    });
    assertPassword(newPassword, '/newPassword', entry.slug, await openProfile(crypto, entry.id, user));
    await this.#replace(asked, named.id, await passwords.hash(newPassword));
  }

  async #send(tx: WriteContext, userId: UserId | null): Promise<void> {
    const { clock, config, outbox, audit } = this.parts;
    const at = clock.now();
    const recent = await this.#rows.resetsSince(tx, userId, at - resetMails.perMs);
    const id = newId<PasswordResetId>();
    const mailedTo = recent < resetMails.most ? userId : null;
    this.#rows.insertReset(tx, { id, userId: mailedTo, at, expiresAt: at + config.passwordResetTtlMs });
    await outbox.append(tx, sendPasswordReset.entry(id, { passwordResetId: id }));
    await audit.record(tx, {
      action: 'password.request',
      resourceType: 'user',
      outcome: mailedTo === null ? 'failure' : 'success',
      ...(userId === null ? {} : { resourceId: userId }),
    });
  }

  async #replace(ctx: TenantContext, id: PasswordResetId, passwordHash: string): Promise<void> {
    const { sharding, audit, clock } = this.parts;
    await sharding.directory.write(ctx, async (tx) => {
      const userId = this.#usable(await this.#rows.lockReset(tx, id));
      active(await this.#users.lock(tx, userId));
      const at = clock.now();
      this.#users.setPassword(tx, userId, passwordHash, at);
      this.#rows.useResets(tx, userId, at);
      this.#attempts.forgetOf(tx, userId);
      await this.sessions.endAll(tx, userId, 'password_reset');
      await audit.record(tx, {
        action: 'password.reset',
        resourceType: 'user',
        resourceId: userId,
        subjectIds: [userId],
      });
    });
  }

  /** Whose reset this is; throws where it can no longer be used. */
  #usable(reset: Mailed<PasswordResetId> | null): UserId {
    if (reset === null || reset.userId === null) throw fail('password_reset.invalid');
    if (reset.spent || this.parts.clock.now() >= reset.expiresAt) throw fail('password_reset.expired');
    return reset.userId;
  }
}

function active(user: UserRow | null): UserRow {
  if (user?.status !== 'active') throw fail('password_reset.expired');
  return user;
}
