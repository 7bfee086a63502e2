import { permissionsOf, type Role } from '#infra/identity';
import type { Instant, SessionId, UserId } from '#infra/kernel';
import { toDate } from '#infra/kernel';
import type { ReadContext } from '#infra/sharding';

/** A session that is still good, and what its user may do now. */
export interface Standing {
  readonly userId: UserId;
  readonly permissions: ReadonlySet<string>;
}

interface Row {
  readonly id: SessionId;
  readonly userId: UserId;
  readonly roles: readonly Role[];
}

/** Use of a session is written down once a minute, so that its idle limit is exact to a minute. */
const useWrittenEveryMs = 60_000;

/** Reads sessions without using them: a page that is left open must not keep its session alive. */
export class StandingsRepository {
  /** Those of `ids` that nobody ended, whose time is not over and whose user is active. */
  async alive(tx: ReadContext, ids: readonly SessionId[], now: Instant): Promise<ReadonlyMap<SessionId, Standing>> {
    const rows = await tx.db.query<Row>(
      `select s.id, s.user_id as "userId",
         array(select r.role from role_assignment r
                where r.tenant_id = s.tenant_id and r.user_id = s.user_id
                  and (r.expires_at is null or r.expires_at > $3)) as roles
         from user_session s join user_account u on u.tenant_id = s.tenant_id and u.id = s.user_id
        where s.tenant_id = $1 and s.id = any($2::uuid[]) and u.status = 'active'
          and s.revoked_at is null and s.expires_at > $3
          and s.last_seen_at > $3::timestamptz - (s.idle_ms + $4::integer) * interval '1 millisecond'`,
      [tx.tenant.id, ids, toDate(now), useWrittenEveryMs],
    );
    return new Map(rows.map(({ id, userId, roles }) => [id, { userId, permissions: permissionsOf(roles) }]));
  }
}
