import { type Instant, newId, type Page, type PageRequest, toDate, type UserId } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, type WriteContext } from '#infra/sharding';
import type { Role } from './roles.js';
import type { UserStatus } from './user.js';

export interface UserRow {
  readonly id: UserId;
  readonly status: UserStatus;
  readonly profile: Buffer;
  readonly passwordHash: string | null;
  readonly permissionVersion: number;
  readonly version: number;
  readonly createdAt: Date;
  readonly roles: readonly Role[];
}

/** Where a list of users goes on. */
export type UserKey = { readonly id: UserId };

export interface NewUser {
  readonly id: UserId;
  readonly status: UserStatus;
  readonly profile: Buffer;
  readonly passwordHash: string | null;
  readonly emailTokens: readonly Buffer[];
  readonly roles: readonly Role[];
  readonly at: Instant;
  readonly by: UserId | null;
}

const columns = `
  u.id, u.status, u.profile, u.password_hash as "passwordHash", u.permission_version as "permissionVersion",
  u.version, u.created_at as "createdAt",
  array(select r.role from role_assignment r where r.tenant_id = u.tenant_id and r.user_id = u.id order by r.role) as roles`;

const byCreation: Keyset<UserRow, UserKey> = {
  columns: ['u.id'],
  keyOf: ({ id }) => ({ id }),
  valuesOf: ({ id }) => [id],
};

/** Every SQL statement about users, their addresses and roles. In the directory. */
export class UsersRepository {
  async byId(tx: ReadContext, id: UserId): Promise<UserRow | null> {
    return first(tx, `select ${columns} from user_account u where u.tenant_id = $1 and u.id = $2`, [tx.tenant.id, id]);
  }

  /** Locked until the transaction ends. */
  async lock(tx: WriteContext, id: UserId): Promise<UserRow | null> {
    return first(
      tx,
      `select ${columns} from user_account u where u.tenant_id = $1 and u.id = $2 for no key update of u`,
      [tx.tenant.id, id],
    );
  }

  async byEmail(tx: ReadContext, tokens: readonly Buffer[]): Promise<UserRow | null> {
    return first(
      tx,
      `select ${columns} from user_account u where u.tenant_id = $1 and u.id in (
         select e.user_id from user_email e where e.tenant_id = $1 and e.token = any($2::bytea[]))`,
      [tx.tenant.id, tokens],
    );
  }

  /** In the order of their ids, which is roughly that of their creation. */
  async page(tx: ReadContext, page: PageRequest<UserKey>): Promise<Page<UserRow, UserKey>> {
    const select = `select ${columns} from user_account u where u.tenant_id = $1`;
    return listed(tx.db, { select, values: [tx.tenant.id] }, byCreation, page);
  }

  insert(tx: WriteContext, user: NewUser): void {
    tx.db.send(
      `insert into user_account (tenant_id, id, status, profile, password_hash, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $6)`,
      [tx.tenant.id, user.id, user.status, user.profile, user.passwordHash, toDate(user.at)],
    );
    tx.db.send(
      `insert into user_email (tenant_id, id, user_id, token)
       select $1, t.id, $2, t.token from unnest($3::uuid[], $4::bytea[]) as t (id, token)`,
      [tx.tenant.id, user.id, user.emailTokens.map(() => newId()), user.emailTokens],
    );
    this.grant(tx, user.id, user.roles, user.by, user.at);
  }

  grant(tx: WriteContext, id: UserId, roles: readonly Role[], by: UserId | null, at: Instant): void {
    tx.db.send(
      `insert into role_assignment (tenant_id, id, user_id, role, granted_at, granted_by)
       select $1, g.id, $2, g.role, $5, $6 from unnest($3::uuid[], $4::text[]) as g (id, role)
       on conflict on constraint role_assignment_once do nothing`,
      [tx.tenant.id, id, roles.map(() => newId()), roles, toDate(at), by],
    );
  }

  revokeOtherRoles(tx: WriteContext, id: UserId, kept: readonly Role[]): void {
    tx.db.send('delete from role_assignment where tenant_id = $1 and user_id = $2 and role <> all($3::text[])', [
      tx.tenant.id,
      id,
      kept,
    ]);
  }

  /** Nobody else gains or loses ownership until the transaction ends; the active owners besides `id`. */
  async otherActiveOwners(tx: WriteContext, id: UserId): Promise<number> {
    tx.db.send(`select from role_assignment where tenant_id = $1 and role = 'owner' order by id for update`, [
      tx.tenant.id,
    ]);
    const [row] = await tx.db.query<{ count: number }>(
      `select count(*)::int as count from role_assignment r
         join user_account u on u.tenant_id = r.tenant_id and u.id = r.user_id
        where r.tenant_id = $1 and r.role = 'owner' and r.expires_at is null and u.status = 'active' and u.id <> $2`,
      [tx.tenant.id, id],
    );
    return row?.count ?? 0;
  }

  async rolesOf(tx: ReadContext, id: UserId, at: Instant): Promise<readonly Role[]> {
    const rows = await tx.db.query<{ role: Role }>(
      `select role from role_assignment
        where tenant_id = $1 and user_id = $2 and (expires_at is null or expires_at > $3)`,
      [tx.tenant.id, id, toDate(at)],
    );
    return rows.map((row) => row.role);
  }

  /** One more version; permissions count one more too, so that no cache goes on with the old ones. */
  setStatus(tx: WriteContext, id: UserId, status: UserStatus, at: Instant): void {
    tx.db.send(
      `update user_account set status = $3, permission_version = permission_version + 1, version = version + 1,
         updated_at = $4 where tenant_id = $1 and id = $2`,
      [tx.tenant.id, id, status, toDate(at)],
    );
  }

  rolesChanged(tx: WriteContext, id: UserId, at: Instant): void {
    tx.db.send(
      `update user_account set permission_version = permission_version + 1, version = version + 1, updated_at = $3
        where tenant_id = $1 and id = $2`,
      [tx.tenant.id, id, toDate(at)],
    );
  }

  /** What accepting an invitation makes of a user. */
  join(tx: WriteContext, id: UserId, profile: Buffer, passwordHash: string, at: Instant): void {
    tx.db.send(
      `update user_account set status = 'active', profile = $3, password_hash = $4,
         permission_version = permission_version + 1, version = version + 1, updated_at = $5
        where tenant_id = $1 and id = $2`,
      [tx.tenant.id, id, profile, passwordHash, toDate(at)],
    );
  }

  setPassword(tx: WriteContext, id: UserId, passwordHash: string, at: Instant): void {
    tx.db.send(
      `update user_account set password_hash = $3, version = version + 1, updated_at = $4
        where tenant_id = $1 and id = $2`,
      [tx.tenant.id, id, passwordHash, toDate(at)],
    );
  }

  /** A login is no change that an editor could collide with: the version stays. */
  loggedIn(tx: WriteContext, id: UserId, passwordHash: string, at: Instant): void {
    tx.db.send('update user_account set password_hash = $3, last_login_at = $4 where tenant_id = $1 and id = $2', [
      tx.tenant.id,
      id,
      passwordHash,
      toDate(at),
    ]);
  }
}

async function first(tx: ReadContext, sql: string, parameters: readonly unknown[]): Promise<UserRow | null> {
  const [row] = await tx.db.query<UserRow>(sql, parameters);
  return row ?? null;
}
