import { type Context, newId, type Page, type PageRequest, type TenantContext, type UserId } from '#infra/kernel';
import { violatedConstraint, type WriteContext } from '#infra/sharding';
import { emailTokens } from './email-index.js';
import { fail } from './identity.errors.js';
import type { IdentityParts } from './identity.parts.js';
import { MailedRepository } from './mailed.repository.js';
import { assertPassword } from './own-password.js';
import { openProfile, sealProfile } from './profiles.js';
import type { Role, StaffRole } from './roles.js';
import type { Sessions } from './sessions.js';
import { normalizeEmail, type Profile, type User } from './user.js';
import { refusalOf } from './users.policy.js';
import { type UserKey, type UserRow, UsersRepository } from './users.repository.js';

export interface NewOwner {
  readonly email: string;
  readonly displayName: string;
  readonly password: string;
}

/** The first user runs the house and answers for privacy until somebody else is named. */
const firstRoles: readonly Role[] = ['owner', 'privacy_officer'];

/** People of a tenant who log in. They live in the directory; names and addresses are opened only to be shown. */
export class Users {
  readonly #rows = new UsersRepository();
  readonly #mailed = new MailedRepository();

  constructor(
    private readonly parts: IdentityParts,
    private readonly sessions: Sessions,
  ) {}

  /** The first user of a new tenant, active at once. For operators; throws user.exists, quota.exceeded and password.*. */
  async createOwner(ctx: TenantContext, owner: NewOwner): Promise<User> {
    const { crypto, sharding, passwords, audit, clock, quotas } = this.parts;
    const { slug } = await sharding.tenants.byId(ctx.tenant.id);
    const profile = { email: normalizeEmail(owner.email), displayName: owner.displayName };
    assertPassword(owner.password, '/password', slug, profile);
    const id = newId<UserId>();
    const row = {
      id,
      status: 'active',
      profile: await sealProfile(crypto, ctx.tenant.id, id, profile),
      passwordHash: await passwords.hash(owner.password),
      emailTokens: (await emailTokens(crypto, ctx.tenant.id, profile.email)).all,
      roles: firstRoles,
      at: clock.now(),
      by: null,
    } as const;
    const created = sharding.directory.write(ctx, async (tx) => {
      this.#rows.insert(tx, row);
      await audit.record(tx, { action: 'user.create', resourceType: 'user', resourceId: id });
      await quotas.consume(tx, 'users');
    });
    await quotas.refusing(ctx, uniqueEmail(created));
    return { ...profile, id, status: 'active', roles: firstRoles, version: 1, createdAt: row.at };
  }

  async list(ctx: TenantContext, request: PageRequest<UserKey>): Promise<Page<User, UserKey>> {
    const { sharding, audit } = this.parts;
    const found = await sharding.directory.read(ctx, (tx) => this.#rows.page(tx, request));
    const users = await Promise.all(found.items.map((row) => this.#open(ctx, row)));
    const subjectIds = users.map((user) => user.id);
    await audit.recordRead(ctx, { action: 'user.read', resourceType: 'user', subjectIds }, 'directory');
    return { ...found, items: users };
  }

  /** Throws user.unknown. */
  async read(ctx: TenantContext, id: UserId): Promise<User> {
    const row = await this.parts.sharding.directory.read(ctx, (tx) => this.#rows.byId(tx, id));
    if (row === null) throw fail('user.unknown');
    const user = await this.#open(ctx, row);
    await this.parts.audit.recordRead(
      ctx,
      { action: 'user.read', resourceType: 'user', resourceId: id, subjectIds: [id] },
      'directory',
    );
    return user;
  }

  /** The user who asks. */
  me(ctx: TenantContext): Promise<User> {
    if (ctx.actor.kind !== 'user') throw fail('user.unknown');
    return this.read(ctx, ctx.actor.id);
  }

  /** Applies on every process within a second, to sessions that are open too. */
  changeRoles(ctx: TenantContext, id: UserId, roles: readonly StaffRole[], version: number): Promise<User> {
    return this.#change(ctx, { id, version, action: 'role.change', rolesAfter: roles }, (tx, at) => {
      this.#rows.revokeOtherRoles(tx, id, roles);
      this.#rows.grant(tx, id, roles, actorIdOf(ctx), at);
      this.#rows.rolesChanged(tx, id, at);
      return Promise.resolve();
    });
  }

  /** Ends all sessions and open invitations of the user. */
  disable(ctx: TenantContext, id: UserId, version: number): Promise<User> {
    return this.#change(ctx, { id, version, action: 'user.disable', endsOwnership: true }, async (tx, at, before) => {
      this.#rows.setStatus(tx, id, 'disabled', at);
      this.#mailed.revokeInvitations(tx, id, at);
      await this.sessions.endAll(tx, id, 'user_disabled');
      if (before.status !== 'disabled') await this.parts.quotas.release(tx, 'users');
    });
  }

  /** Back to what the user was: active, or invited where no password was ever chosen. Throws quota.exceeded. */
  enable(ctx: TenantContext, id: UserId, version: number): Promise<User> {
    return this.#change(ctx, { id, version, action: 'user.enable' }, async (tx, at, before) => {
      this.#rows.setStatus(tx, id, before.passwordHash === null ? 'invited' : 'active', at);
      if (before.status === 'disabled') await this.parts.quotas.consume(tx, 'users');
    });
  }

  async #change(
    ctx: TenantContext,
    change: {
      readonly id: UserId;
      readonly version: number;
      readonly action: string;
      readonly rolesAfter?: readonly Role[];
      readonly endsOwnership?: boolean;
    },
    apply: (tx: WriteContext, at: number, before: UserRow) => Promise<void>,
  ): Promise<User> {
    const { sharding, audit, clock, quotas } = this.parts;
    const { id, version, action } = change;
    const changed = sharding.directory.write(ctx, async (tx) => {
      const before = await this.#rows.lock(tx, id);
      if (before === null) throw fail('user.unknown');
      if (before.version !== version) throw fail('user.changed');
      const rolesAfter = change.rolesAfter ?? before.roles;
      await this.#assertMay(tx, before, rolesAfter);
      const losesOwner = before.roles.includes('owner') && (change.endsOwnership || !rolesAfter.includes('owner'));
      if (losesOwner && (await this.#rows.otherActiveOwners(tx, id)) === 0) throw fail('user.last_owner');
      await apply(tx, clock.now(), before);
      await audit.record(tx, {
        action,
        resourceType: 'user',
        resourceId: id,
        subjectIds: [id],
        versionFrom: version,
        versionTo: version + 1,
      });
      return this.#rows.byId(tx, id);
    });
    const after = await quotas.refusing(ctx, changed);
    if (after === null) throw fail('user.unknown');
    return this.#open(ctx, after);
  }

  async #assertMay(tx: WriteContext, target: UserRow, rolesAfter: readonly Role[]): Promise<void> {
    const actorId = actorIdOf(tx);
    const roles = actorId === null ? [] : await this.#rows.rolesOf(tx, actorId, this.parts.clock.now());
    const refusal = refusalOf({ actor: actorId === null ? null : { id: actorId, roles }, target, rolesAfter });
    if (refusal !== null) throw fail(refusal);
  }

  async #open(ctx: TenantContext, row: UserRow): Promise<User> {
    const { email, displayName }: Profile = await openProfile(this.parts.crypto, ctx.tenant.id, row);
    const { id, status, roles, version, createdAt } = row;
    return { id, email, displayName, status, roles, version, createdAt: createdAt.getTime() };
  }
}

/** Null for our own code at work. */
export const actorIdOf = ({ actor }: Context): UserId | null => (actor.kind === 'user' ? actor.id : null);

/** Two who are made at once with the same address: one of them exists already. */
export async function uniqueEmail<T>(write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    if (violatedConstraint(error) === 'user_email_unique') throw fail('user.exists', { cause: error });
    throw error;
  }
}
