import { type Instant, type SessionId, toDate, type UserId } from '#infra/kernel';
import type { ReadContext, WriteContext } from '#infra/sharding';
import type { RefreshFamily } from './refresh-token.js';
import { permissionsOf, type Role } from './roles.js';
import type { Session, SessionEnd } from './session.js';
import type { Standing } from './standings.js';
import type { UserStatus } from './user.js';

interface SessionRow {
  readonly id: SessionId;
  readonly userId: UserId;
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
  readonly expiresAt: Date;
  readonly idleMs: number;
  readonly revokedAt: Date | null;
}

interface StandingRow extends SessionRow {
  readonly status: UserStatus;
  readonly permissionVersion: number;
  readonly roles: readonly Role[];
}

interface RefreshRow extends SessionRow {
  readonly status: UserStatus;
  readonly permissionVersion: number;
  readonly issued: Buffer;
  readonly used: Buffer | null;
}

/** A session, locked, with what decides over the refresh token that was presented. */
export interface RefreshState {
  readonly session: Session;
  readonly status: UserStatus;
  readonly permissionVersion: number;
  readonly family: RefreshFamily;
}

/** A session that a statement has ended. */
export interface EndedSession {
  readonly id: SessionId;
  readonly createdAt: Instant;
}

const columns = `
  s.id, s.user_id as "userId", s.created_at as "createdAt", s.last_seen_at as "lastSeenAt",
  s.expires_at as "expiresAt", s.idle_ms as "idleMs", s.revoked_at as "revokedAt"`;

/** Sessions of one user that are listed; no user has more. */
const listedMax = 100;

/** Every SQL statement about sessions. In the directory. */
export class SessionsRepository {
  async standing(tx: ReadContext, id: SessionId, now: Instant): Promise<Standing | null> {
    const [row] = await tx.db.query<StandingRow>(
      `select ${columns}, u.status, u.permission_version as "permissionVersion",
         array(select r.role from role_assignment r
                where r.tenant_id = s.tenant_id and r.user_id = s.user_id
                  and (r.expires_at is null or r.expires_at > $3)) as roles
         from user_session s join user_account u on u.tenant_id = s.tenant_id and u.id = s.user_id
        where s.tenant_id = $1 and s.id = $2`,
      [tx.tenant.id, id, toDate(now)],
    );
    if (row === undefined) return null;
    const { status, permissionVersion, roles } = row;
    return { session: sessionOf(row), status, permissionVersion, permissions: permissionsOf(roles) };
  }

  async seen(tx: WriteContext, id: SessionId, now: Instant): Promise<void> {
    await tx.db.execute(
      `update user_session set last_seen_at = $3
        where tenant_id = $1 and id = $2 and revoked_at is null and last_seen_at < $3`,
      [tx.tenant.id, id, toDate(now)],
    );
  }

  insert(tx: WriteContext, session: Session, firstToken: Buffer): void {
    tx.db.send(
      `insert into user_session (tenant_id, id, user_id, refresh_issued, created_at, last_seen_at, expires_at, idle_ms)
       values ($1, $2, $3, $4, $5, $5, $6, $7)`,
      [
        tx.tenant.id,
        session.id,
        session.userId,
        firstToken,
        toDate(session.createdAt),
        toDate(session.expiresAt),
        session.idleMs,
      ],
    );
  }

  async lockForRefresh(tx: WriteContext, id: SessionId): Promise<RefreshState | null> {
    const [row] = await tx.db.query<RefreshRow>(
      `select ${columns}, s.refresh_issued as issued, s.refresh_used as used, u.status,
         u.permission_version as "permissionVersion"
         from user_session s join user_account u on u.tenant_id = s.tenant_id and u.id = s.user_id
        where s.tenant_id = $1 and s.id = $2 for no key update of s`,
      [tx.tenant.id, id],
    );
    if (row === undefined) return null;
    const { status, permissionVersion, issued, used } = row;
    return { session: sessionOf(row), status, permissionVersion, family: { issued, used } };
  }

  rotate(tx: WriteContext, id: SessionId, family: RefreshFamily): void {
    tx.db.send('update user_session set refresh_issued = $3, refresh_used = $4 where tenant_id = $1 and id = $2', [
      tx.tenant.id,
      id,
      family.issued,
      family.used,
    ]);
  }

  /** Those that nobody ended and whose time is not over, newest first. */
  async openOf(tx: ReadContext, userId: UserId, now: Instant): Promise<Session[]> {
    const rows = await tx.db.query<SessionRow>(
      `select ${columns} from user_session s
        where s.tenant_id = $1 and s.user_id = $2 and s.revoked_at is null and s.expires_at > $3
        order by s.created_at desc, s.id desc limit ${listedMax}`,
      [tx.tenant.id, userId, toDate(now)],
    );
    return rows.map(sessionOf);
  }

  /** False for one that is not this user's or has been ended before. */
  async end(
    tx: WriteContext,
    userId: UserId,
    id: SessionId,
    by: SessionEnd,
    now: Instant,
  ): Promise<EndedSession | null> {
    const [row] = await tx.db.query<EndedRow>(
      `update user_session set revoked_at = $4, ended_by = $5
        where tenant_id = $1 and user_id = $2 and id = $3 and revoked_at is null
        returning id, created_at as "createdAt"`,
      [tx.tenant.id, userId, id, toDate(now), by],
    );
    return row === undefined ? null : endedOf(row);
  }

  async endAll(tx: WriteContext, userId: UserId, by: SessionEnd, now: Instant): Promise<EndedSession[]> {
    const rows = await tx.db.query<EndedRow>(
      `update user_session set revoked_at = $3, ended_by = $4
        where tenant_id = $1 and user_id = $2 and revoked_at is null and expires_at > $3
        returning id, created_at as "createdAt"`,
      [tx.tenant.id, userId, toDate(now), by],
    );
    return rows.map(endedOf);
  }

  /** Ends the oldest, so that no more than `most` stay open. */
  async endBeyond(tx: WriteContext, userId: UserId, most: number, now: Instant): Promise<EndedSession[]> {
    const rows = await tx.db.query<EndedRow>(
      `update user_session set revoked_at = $3, ended_by = 'displaced'
        where tenant_id = $1 and id in (
          select id from user_session
           where tenant_id = $1 and user_id = $2 and revoked_at is null and expires_at > $3
           order by created_at desc, id desc offset $4)
        returning id, created_at as "createdAt"`,
      [tx.tenant.id, userId, toDate(now), most],
    );
    return rows.map(endedOf);
  }
}

interface EndedRow {
  readonly id: SessionId;
  readonly createdAt: Date;
}

const endedOf = ({ id, createdAt }: EndedRow): EndedSession => ({ id, createdAt: createdAt.getTime() });

const sessionOf = (row: SessionRow): Session => ({
  id: row.id,
  userId: row.userId,
  createdAt: row.createdAt.getTime(),
  lastSeenAt: row.lastSeenAt.getTime(),
  expiresAt: row.expiresAt.getTime(),
  idleMs: row.idleMs,
  revokedAt: row.revokedAt?.getTime() ?? null,
});
