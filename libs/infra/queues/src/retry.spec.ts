import { assert, double, integer, property } from 'fast-check';
import { AppError, errorKinds } from '#infra/kernel';
import { failureCode, mayRetry, postponeDelayMs, retryAfterMsOf, retryDelayMs, retryMaxMs } from './retry.js';

describe('retrying', () => {
  it('waits 1, 2, 4, 8 s in the middle of the jitter', () => {
    expect([1, 2, 3, 4].map((n) => retryDelayMs(n, 0.5))).toEqual([1_000, 2_000, 4_000, 8_000]);
  });

  it('spreads each delay by half of it to both sides, and never beyond five minutes', () => {
    void assert(
      property(
        integer({ min: 1, max: 60 }),
        double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (n, random) => {
          const step = 1_000 * 2 ** (n - 1);
          const delay = retryDelayMs(n, random);
          expect(delay).toBeLessThanOrEqual(Math.min(1.5 * step, retryMaxMs));
          expect(delay).toBeGreaterThanOrEqual(Math.min(0.5 * step, retryMaxMs));
        },
      ),
    );
    expect(retryDelayMs(2, 0)).toBe(1_000);
    expect(retryDelayMs(2, 0.999_999)).toBe(3_000);
  });

  it('puts off a job until what it waits for may be back, and half as long again at most', () => {
    expect([0, 0.5, 0.999_999].map((random) => postponeDelayMs(60_000, random))).toEqual([60_000, 75_000, 90_000]);
    expect(postponeDelayMs(0, 0)).toBe(1_000);
    expect(postponeDelayMs(retryMaxMs, 0.9)).toBe(retryMaxMs);
  });

  it('tries again only what may pass by itself', () => {
    const again = errorKinds.filter((kind) => mayRetry(new AppError(kind, 'a.b', 'text')));
    expect(again).toEqual(['conflict', 'limited', 'timeout', 'unavailable', 'internal']);
    expect(mayRetry(new Error('socket closed'))).toBe(true);
    expect(mayRetry('thrown text')).toBe(true);
  });

  it('keeps the code of a failure and never its message', () => {
    expect(failureCode(new AppError('gone', 'invitation.gone', 'text'))).toBe('invitation.gone');
    expect(failureCode(new Error('no row for Ada Lovelace'))).toBe('job.failed');
  });

  it('waits as long as the failure asks for, up to five minutes', () => {
    expect(retryAfterMsOf(new AppError('limited', 'a.b', 'text', { retryAfterMs: 20_000 }))).toBe(20_000);
    expect(retryAfterMsOf(new AppError('limited', 'a.b', 'text', { retryAfterMs: 3_600_000 }))).toBe(retryMaxMs);
    expect(retryAfterMsOf(new Error('x'))).toBe(0);
  });
});
