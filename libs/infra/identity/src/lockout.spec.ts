import { type Attempts, isSuspicious, lockout, reserveAttempt } from './lockout.js';

const start = Date.parse('2026-12-01T09:00:00Z');

/** Attempts one after another, each as soon as it is allowed; how long each one had to wait. */
function waits(attempts: number): number[] {
  let now = start;
  let before: Attempts | null = null;
  const waited: number[] = [];
  for (let n = 0; n < attempts; n += 1) {
    const asked = now;
    let reservation = reserveAttempt(before, now);
    if (!reservation.granted) {
      now += reservation.retryAfterMs;
      reservation = reserveAttempt(before, now);
    }
    if (!reservation.granted) throw new Error('the promised wait was too short');
    waited.push(now - asked);
    before = reservation.attempts;
  }
  return waited;
}

describe('a lock-out', () => {
  it('costs nothing for ten attempts, then 30 s, doubling to 15 min, and never more', () => {
    const waited = waits(20);
    expect(waited.slice(0, 10)).toEqual(Array(10).fill(0));
    expect(waited.slice(10, 16)).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 900_000]);
    expect(Math.max(...waits(200))).toBe(lockout.longestLockMs);
  });

  it('is forgotten after a day without an attempt', () => {
    const long: Attempts = { count: 500, lastAt: start, lockedUntil: start + lockout.longestLockMs };
    const next = reserveAttempt(long, start + lockout.forgetAfterMs);
    expect(next).toMatchObject({ granted: true, attempts: { count: 1, lockedUntil: null } });
  });

  it('ends at the instant it names, not before', () => {
    const locked: Attempts = { count: 10, lastAt: start, lockedUntil: start + 30_000 };
    expect(reserveAttempt(locked, start + 29_999)).toEqual({ granted: false, retryAfterMs: 1 });
    expect(reserveAttempt(locked, start + 30_000)).toMatchObject({ granted: true, attempts: { count: 11 } });
  });

  it('is announced by suspicion after five attempts, which is forgotten with them', () => {
    const attempts = (count: number): Attempts => ({ count, lastAt: start, lockedUntil: null });
    expect([null, attempts(0), attempts(4)].map((before) => isSuspicious(before, start))).toEqual([
      false,
      false,
      false,
    ]);
    expect([attempts(5), attempts(50)].map((before) => isSuspicious(before, start))).toEqual([true, true]);
    expect(isSuspicious(attempts(50), start + lockout.forgetAfterMs)).toBe(false);
  });
});
