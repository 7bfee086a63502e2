import type { Instant, SessionId, UserId } from '#infra/kernel';

/** A login. It ends by itself: at `expiresAt` whatever happens, and when nobody used it for `idleMs`. */
export interface Session {
  readonly id: SessionId;
  readonly userId: UserId;
  readonly createdAt: Instant;
  readonly lastSeenAt: Instant;
  readonly expiresAt: Instant;
  readonly idleMs: number;
  readonly revokedAt: Instant | null;
}

export type SessionEnd = 'logout' | 'revoked' | 'displaced' | 'token_reuse' | 'user_disabled' | 'password_reset';

/**
 * Use is written down at most once in this time, so the idle limit is exact to a minute, on the session's side. A
 * refresh is not use: a page left open must not keep a session alive.
 */
export const seenEveryMs = 60_000;

export const isAlive = (session: Session, now: Instant): boolean =>
  session.revokedAt === null && now < session.expiresAt && now - session.lastSeenAt < session.idleMs + seenEveryMs;

/** True when the use of a session at `now` is to be written down. */
export const isUseNews = (session: Session, now: Instant): boolean =>
  isAlive(session, now) && now - session.lastSeenAt >= seenEveryMs;
