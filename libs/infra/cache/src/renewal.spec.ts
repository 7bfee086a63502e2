import { isDue } from './renewal.js';

const entry = { ttlMs: 100_000, costMs: 50 };

describe('an entry is loaded ahead of its end', () => {
  it('surely in the last fifth of its time, by whoever asks for it then', () => {
    for (const random of [0, 0.5, 0.999]) expect(isDue({ ...entry, leftMs: 20_000 }, random)).toBe(true);
    expect(isDue({ ...entry, leftMs: 20_001 }, 0.5)).toBe(false);
  });

  it('and earlier with a chance of e^(-left/cost), so that a slow load is begun by one of many askers in time', () => {
    const tries = 100_000;
    for (const costMs of [10_000, 20_000, 40_000]) {
      const leftMs = 40_000;
      let due = 0;
      for (let n = 0; n < tries; n += 1) if (isDue({ ttlMs: 100_000, costMs, leftMs }, (n + 0.5) / tries)) due += 1;
      expect(due / tries).toBeCloseTo(Math.exp(-leftMs / costMs), 3);
    }
  });
});
