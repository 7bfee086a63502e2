import { TokenBucket } from './token-bucket.js';

const takenOf = (bucket: TokenBucket, tries: number, now: number): number =>
  Array.from({ length: tries }, () => bucket.take(now)).filter(Boolean).length;

describe('a token bucket of 20 a second and 40 at once', () => {
  it('lets 40 through at once, then 20 a second, and never saves more than 40', () => {
    const bucket = new TokenBucket(20, 40, 0);
    expect(takenOf(bucket, 100, 0)).toBe(40);
    expect(takenOf(bucket, 100, 500)).toBe(10);
    expect(takenOf(bucket, 100, 1_500)).toBe(20);
    expect(takenOf(bucket, 100, 3_600_000)).toBe(40);
  });

  it('says when the next one gets through', () => {
    const bucket = new TokenBucket(20, 40, 0);
    takenOf(bucket, 40, 0);
    expect(bucket.waitMs).toBe(50);
    expect(bucket.take(49)).toBe(false);
    expect(bucket.take(50)).toBe(true);
  });

  it('earns nothing from a clock that goes back', () => {
    const bucket = new TokenBucket(20, 40, 10_000);
    takenOf(bucket, 40, 10_000);
    expect(takenOf(bucket, 10, 5_000)).toBe(0);
  });
});
