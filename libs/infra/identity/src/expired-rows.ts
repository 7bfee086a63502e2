import type { Context } from '#infra/kernel';
import { toDate } from '#infra/kernel';
import { directoryName } from '#infra/sharding';
import type { IdentityParts } from './identity.parts.js';
import { lockout } from './lockout.js';

const day = 24 * 60 * 60_000;

/** Rows of one table that one run removes at most; the next run takes the rest. */
export const removedAtOnce = 1_000;

/** How long rows stay that nobody can use any more, by the instant that counts. */
const statements = [
  { sql: removeFrom('user_session', 'expires_at'), keptMs: 30 * day },
  { sql: removeFrom('invitation', 'expires_at'), keptMs: 30 * day },
  { sql: removeFrom('password_reset', 'expires_at'), keptMs: day },
  { sql: removeFrom('login_attempt', 'last_at'), keptMs: lockout.forgetAfterMs },
] as const;

/** Removes sessions, invitations, resets and attempts of all tenants that are long over; the audit keeps what happened. */
export async function removeExpiredRows(
  ctx: Context,
  { sharding, clock }: Pick<IdentityParts, 'sharding' | 'clock'>,
): Promise<number> {
  const now = clock.now();
  const results = await sharding.eachShard(
    ctx,
    async ({ database, db }) => {
      if (database !== directoryName) return 0;
      const removed = await Promise.all(statements.map(({ sql, keptMs }) => db.execute(sql, [toDate(now - keptMs)])));
      return removed.reduce((sum, count) => sum + count, 0);
    },
    { directory: true },
  );
  const { value, error } = results.find((result) => result.database === directoryName) ?? {};
  if (error !== undefined) throw error;
  return value ?? 0;
}

function removeFrom(table: string, instant: string): string {
  return `delete from ${table} where (tenant_id, id) in (
    select tenant_id, id from ${table} where ${instant} < $1 limit ${removedAtOnce})`;
}
