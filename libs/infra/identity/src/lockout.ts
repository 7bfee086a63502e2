import type { Instant } from '#infra/kernel';

/**
 * Attempts count before the password is checked, and a success takes them all back: many at once gain nothing. The
 * count is kept for an address whether or not somebody has it, so a lock tells nothing about accounts. Never permanent.
 */
export const lockout = {
  /** Attempts without success that cost no waiting (NIST SP 800-63B-4 allows 100). */
  freeAttempts: 10,
  /** After so many without success whoever tries on must show that they are no machine, where there is a provider of challenges. */
  unchallengedAttempts: 5,
  firstLockMs: 30_000,
  longestLockMs: 15 * 60_000,
  /** Without an attempt for this long, the count starts again. */
  forgetAfterMs: 24 * 60 * 60_000,
} as const;

export interface Attempts {
  readonly count: number;
  readonly lastAt: Instant;
  readonly lockedUntil: Instant | null;
}

export type Reservation =
  | { readonly granted: true; readonly attempts: Attempts }
  | { readonly granted: false; readonly retryAfterMs: number };

/** Takes one attempt at `now`, or says how long to wait. */
export function reserveAttempt(before: Attempts | null, now: Instant): Reservation {
  if (before?.lockedUntil != null && before.lockedUntil > now)
    return { granted: false, retryAfterMs: before.lockedUntil - now };
  const count = isForgotten(before, now) ? 1 : before.count + 1;
  return { granted: true, attempts: { count, lastAt: now, lockedUntil: lockedUntil(count, now) } };
}

/** Whether the next attempt is one of a machine, perhaps. */
export const isSuspicious = (before: Attempts | null, now: Instant): boolean =>
  !isForgotten(before, now) && before.count >= lockout.unchallengedAttempts;

const isForgotten = (before: Attempts | null, now: Instant): before is null =>
  before === null || now - before.lastAt >= lockout.forgetAfterMs;

function lockedUntil(count: number, now: Instant): Instant | null {
  const beyond = count - lockout.freeAttempts;
  if (beyond < 0) return null;
  return now + Math.min(lockout.firstLockMs * 2 ** Math.min(beyond, 30), lockout.longestLockMs);
}
