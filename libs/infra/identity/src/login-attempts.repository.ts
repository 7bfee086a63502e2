import { type Instant, newId, toDate } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import type { Attempts } from './lockout.js';

interface AttemptRow {
  readonly attempts: number;
  readonly lastAt: Date;
  readonly lockedUntil: Date | null;
}

/** Every SQL statement about attempts to log in. In the directory. */
export class LoginAttemptsRepository {
  /** The attempts for an address, locked until the transaction ends; null when this is the first. */
  async lock(tx: WriteContext, emailToken: Buffer, now: Instant): Promise<Attempts | null> {
    tx.db.send(
      `insert into login_attempt (tenant_id, id, email_token, attempts, last_at) values ($1, $2, $3, 0, $4)
       on conflict on constraint login_attempt_address do nothing`,
      [tx.tenant.id, newId(), emailToken, toDate(now)],
    );
    const [row] = await tx.db.query<AttemptRow>(
      `select attempts, last_at as "lastAt", locked_until as "lockedUntil" from login_attempt
        where tenant_id = $1 and email_token = $2 for update`,
      [tx.tenant.id, emailToken],
    );
    if (row === undefined || row.attempts === 0) return null;
    return { count: row.attempts, lastAt: row.lastAt.getTime(), lockedUntil: row.lockedUntil?.getTime() ?? null };
  }

  save(tx: WriteContext, emailToken: Buffer, { count, lastAt, lockedUntil }: Attempts): void {
    tx.db.send(
      `update login_attempt set attempts = $3, last_at = $4, locked_until = $5
        where tenant_id = $1 and email_token = $2`,
      [tx.tenant.id, emailToken, count, toDate(lastAt), lockedUntil === null ? null : toDate(lockedUntil)],
    );
  }

  forget(tx: WriteContext, emailTokens: readonly Buffer[]): void {
    tx.db.send('delete from login_attempt where tenant_id = $1 and email_token = any($2::bytea[])', [
      tx.tenant.id,
      emailTokens,
    ]);
  }

  /** For a user whose address nobody typed: every address that is theirs. */
  forgetOf(tx: WriteContext, userId: string): void {
    tx.db.send(
      `delete from login_attempt where tenant_id = $1 and email_token in (
         select token from user_email where tenant_id = $1 and user_id = $2)`,
      [tx.tenant.id, userId],
    );
  }
}
