import { type Instant, toDate, type UserId } from '#infra/kernel';
import type { ReadContext, WriteContext } from '#infra/sharding';
import type { InvitationId, PasswordResetId } from './user.js';

interface MailedRow<T> {
  readonly id: T;
  readonly userId: UserId | null;
  readonly expiresAt: Date;
  readonly spent: boolean;
}

/** An invitation or a reset as its token finds it. */
export interface Mailed<T> {
  readonly id: T;
  readonly userId: UserId | null;
  readonly expiresAt: Instant;
  /** Accepted, used, revoked or replaced. */
  readonly spent: boolean;
}

const findInvitation = `
  select id, user_id as "userId", expires_at as "expiresAt",
    (accepted_at is not null or revoked_at is not null) as spent
    from invitation where tenant_id = $1 and id = $2`;

const findReset = `
  select id, user_id as "userId", expires_at as "expiresAt", used_at is not null as spent
    from password_reset where tenant_id = $1 and id = $2`;

/** Every SQL statement about invitations and password resets. In the directory. */
export class MailedRepository {
  invitation(tx: ReadContext, id: InvitationId): Promise<Mailed<InvitationId> | null> {
    return first(tx, findInvitation, id);
  }

  lockInvitation(tx: WriteContext, id: InvitationId): Promise<Mailed<InvitationId> | null> {
    return first(tx, `${findInvitation} for update`, id);
  }

  insertInvitation(
    tx: WriteContext,
    row: {
      readonly id: InvitationId;
      readonly userId: UserId;
      readonly by: UserId | null;
      readonly at: Instant;
      readonly expiresAt: Instant;
    },
  ): void {
    tx.db.send(
      `insert into invitation (tenant_id, id, user_id, invited_by, created_at, expires_at)
       values ($1, $2, $3, $4, $5, $6)`,
      [tx.tenant.id, row.id, row.userId, row.by, toDate(row.at), toDate(row.expiresAt)],
    );
  }

  acceptInvitation(tx: WriteContext, id: InvitationId, at: Instant): void {
    tx.db.send('update invitation set accepted_at = $3 where tenant_id = $1 and id = $2', [
      tx.tenant.id,
      id,
      toDate(at),
    ]);
  }

  /** Every open invitation of a user stops working. */
  revokeInvitations(tx: WriteContext, userId: UserId, at: Instant): void {
    tx.db.send(
      `update invitation set revoked_at = $3
        where tenant_id = $1 and user_id = $2 and accepted_at is null and revoked_at is null`,
      [tx.tenant.id, userId, toDate(at)],
    );
  }

  reset(tx: ReadContext, id: PasswordResetId): Promise<Mailed<PasswordResetId> | null> {
    return first(tx, findReset, id);
  }

  lockReset(tx: WriteContext, id: PasswordResetId): Promise<Mailed<PasswordResetId> | null> {
    return first(tx, `${findReset} for update`, id);
  }

  /** How many resets this user asked for since `since`; the same statement for nobody. */
  async resetsSince(tx: ReadContext, userId: UserId | null, since: Instant): Promise<number> {
    const [row] = await tx.db.query<{ count: number }>(
      `select count(*)::int as count from password_reset
        where tenant_id = $1 and user_id = $2 and created_at > $3`,
      [tx.tenant.id, userId, toDate(since)],
    );
    return row?.count ?? 0;
  }

  insertReset(
    tx: WriteContext,
    row: {
      readonly id: PasswordResetId;
      readonly userId: UserId | null;
      readonly at: Instant;
      readonly expiresAt: Instant;
    },
  ): void {
    tx.db.send(
      'insert into password_reset (tenant_id, id, user_id, created_at, expires_at) values ($1, $2, $3, $4, $5)',
      [tx.tenant.id, row.id, row.userId, toDate(row.at), toDate(row.expiresAt)],
    );
  }

  /** All of a user's resets, the one that was just used included. */
  useResets(tx: WriteContext, userId: UserId, at: Instant): void {
    tx.db.send('update password_reset set used_at = $3 where tenant_id = $1 and user_id = $2 and used_at is null', [
      tx.tenant.id,
      userId,
      toDate(at),
    ]);
  }
}

async function first<T>(tx: ReadContext, sql: string, id: T): Promise<Mailed<T> | null> {
  const [row] = await tx.db.query<MailedRow<T>>(sql, [tx.tenant.id, id]);
  return row === undefined ? null : { ...row, expiresAt: row.expiresAt.getTime() };
}
