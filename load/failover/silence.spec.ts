import { silenceBetween } from './silence.js';

const at = (...instants: readonly number[]) => instants.map((instant, n) => ({ at: instant, count: n + 1 }));

describe('the silence between two instants', () => {
  it('ends where the longest time without an answer ends, whatever was still on its way', () => {
    expect(silenceBetween(100, 9_000, at(80, 99, 104, 4_100, 4_110, 4_150))).toBe(4_000);
    expect(silenceBetween(100, 9_000, at(99, 3_100, 3_101))).toBe(3_000);
  });

  it('counts no silence from before, and is nothing that ended where nothing came', () => {
    expect(silenceBetween(10_000, 19_000, at(100, 9_999, 10_005, 10_010, 10_012))).toBe(5);
    expect(silenceBetween(10_000, 19_000, at(100, 9_999, 30_000))).toBeNaN();
    expect(silenceBetween(100, 9_000, at(99, 1_000, 2_000, 30_000))).toBe(1_900);
  });
});
