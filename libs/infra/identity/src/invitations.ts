import { type Context, newId, type TenantContext, type UserId } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import { emailTokens } from './email-index.js';
import { fail } from './identity.errors.js';
import { sendInvitation } from './identity.jobs.js';
import type { IdentityParts } from './identity.parts.js';
import { type Mailed, MailedRepository } from './mailed.repository.js';
import { readMailedToken } from './mailed-token.js';
import { assertPassword } from './own-password.js';
import { openProfile, sealProfile } from './profiles.js';
import type { StaffRole } from './roles.js';
import { inTenant, tenantById } from './tenancy.js';
import { type InvitationId, normalizeEmail } from './user.js';
import { actorIdOf, uniqueEmail } from './users.js';
import { refusalOf } from './users.policy.js';
import { type NewUser, type UserRow, UsersRepository } from './users.repository.js';

export interface Invite {
  readonly email: string;
  readonly roles: readonly StaffRole[];
}

export interface Acceptance {
  readonly token: string;
  readonly password: string;
  readonly displayName: string;
}

/** People join by a mailed link and choose their own password: nobody ever knows it for them. */
export class Invitations {
  readonly #users = new UsersRepository();
  readonly #rows = new MailedRepository();

  constructor(private readonly parts: IdentityParts) {}

  /**
   * A user who is invited and the job that mails the link. Inviting again somebody who has not accepted replaces the
   * link and the roles. Throws user.exists, user.owner_only and quota.exceeded.
   */
  async invite(ctx: TenantContext, { email, roles }: Invite): Promise<{ userId: UserId; invitationId: InvitationId }> {
    const { sharding, quotas } = this.parts;
    const user = await this.#invited(ctx, normalizeEmail(email), roles);
    const write = sharding.directory.writeOnce(ctx, async (tx) => {
      const known = await this.#users.byEmail(tx, user.emailTokens);
      await this.#assertMay(tx, user, known);
      const userId = known === null ? user.id : await this.#again(tx, known.id, user);
      if (known === null) this.#users.insert(tx, user);
      const invitationId = await this.#send(tx, userId);
      if (known === null) await quotas.consume(tx, 'users');
      return { userId, invitationId };
    });
    return quotas.refusing(ctx, uniqueEmail(write));
  }

  /** The mailed token and a password of one's own make an active user. Throws invitation.* and password.*. */
  async accept(
    ctx: Context,
    { token, password, displayName }: Acceptance,
  ): Promise<{ userId: UserId; tenant: string }> {
    const { keys, sharding, crypto, passwords } = this.parts;
    const named = readMailedToken<InvitationId>('invitation', token, keys.mailed);
    const entry = named === null ? null : await tenantById(sharding, named.tenantId);
    if (named === null || entry === null) throw fail('invitation.invalid');
    const joining = inTenant(ctx, entry);
    const user = await sharding.directory.read(joining, async (tx) => {
      const userId = this.#usable(await this.#rows.invitation(tx, named.id));
      return this.#users.byId(tx, userId);
    });
    if (user === null) throw fail('invitation.expired');
    const { email } = await openProfile(crypto, entry.id, user);
    const profile = { email, displayName };
    assertPassword(password, '/password', entry.slug, profile);
    const sealed = await sealProfile(crypto, entry.id, user.id, profile);
    await this.#join(joining, named.id, sealed, await passwords.hash(password));
    return { userId: user.id, tenant: entry.slug };
  }

  async #invited(ctx: TenantContext, email: string, roles: readonly StaffRole[]): Promise<NewUser> {
    const { crypto, clock } = this.parts;
    const id = newId<UserId>();
    return {
      id,
      status: 'invited',
      profile: await sealProfile(crypto, ctx.tenant.id, id, { email, displayName: '' }),
      passwordHash: null,
      emailTokens: (await emailTokens(crypto, ctx.tenant.id, email)).all,
      roles,
      at: clock.now(),
      by: actorIdOf(ctx),
    };
  }

  async #assertMay(tx: WriteContext, user: NewUser, known: UserRow | null): Promise<void> {
    if (known !== null && known.status !== 'invited') throw fail('user.exists');
    const actorId = actorIdOf(tx);
    if (actorId === null) return;
    const roles = await this.#users.rolesOf(tx, actorId, user.at);
    const target = { id: known?.id ?? user.id, roles: known?.roles ?? [] };
    const refusal = refusalOf({ actor: { id: actorId, roles }, target, rolesAfter: user.roles });
    if (refusal !== null) throw fail(refusal);
  }

  async #again(tx: WriteContext, userId: UserId, { roles, by, at }: NewUser): Promise<UserId> {
    const locked = await this.#users.lock(tx, userId);
    if (locked?.status !== 'invited') throw fail('user.exists');
    this.#rows.revokeInvitations(tx, userId, at);
    this.#users.revokeOtherRoles(tx, userId, roles);
    this.#users.grant(tx, userId, roles, by, at);
    this.#users.rolesChanged(tx, userId, at);
    return userId;
  }

  async #send(tx: WriteContext, userId: UserId): Promise<InvitationId> {
    const { clock, config, outbox, audit } = this.parts;
    const id = newId<InvitationId>();
    const at = clock.now();
    this.#rows.insertInvitation(tx, { id, userId, by: actorIdOf(tx), at, expiresAt: at + config.invitationTtlMs });
    await outbox.append(tx, sendInvitation.entry(userId, { invitationId: id }));
    await audit.record(tx, { action: 'user.invite', resourceType: 'user', resourceId: userId, subjectIds: [userId] });
    return id;
  }

  async #join(ctx: TenantContext, id: InvitationId, profile: Buffer, passwordHash: string): Promise<void> {
    const { sharding, audit, clock } = this.parts;
    await sharding.directory.write(ctx, async (tx) => {
      const userId = this.#usable(await this.#rows.lockInvitation(tx, id));
      const user = await this.#users.lock(tx, userId);
      if (user?.status !== 'invited') throw fail('invitation.expired');
      const at = clock.now();
      this.#rows.acceptInvitation(tx, id, at);
      this.#users.join(tx, userId, profile, passwordHash, at);
      await audit.record(tx, { action: 'user.join', resourceType: 'user', resourceId: userId, subjectIds: [userId] });
    });
  }

  /** Whose invitation this is; throws where it can no longer be accepted. */
  #usable(invitation: Mailed<InvitationId> | null): UserId {
    if (invitation === null || invitation.userId === null) throw fail('invitation.invalid');
    if (invitation.spent || this.parts.clock.now() >= invitation.expiresAt) throw fail('invitation.expired');
    return invitation.userId;
  }
}
