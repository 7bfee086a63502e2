import fc from 'fast-check';
import { SlidingWindow, slotsPerWindow } from './sliding-window.js';

interface Taken {
  readonly at: number;
  readonly cost: number;
}

const usedIn = (taken: readonly Taken[], from: number, until: number): number =>
  taken.filter(({ at }) => at > from && at <= until).reduce((sum, { cost }) => sum + cost, 0);

const rules = fc.record({
  algorithm: fc.constant('sliding' as const),
  limit: fc.integer({ min: 1, max: 40 }),
  windowMs: fc.integer({ min: 1, max: 5_000 }),
});

/** Bursts and pauses, as shares of a window, so that edges of windows and slots are crossed in every way. */
const visits = fc.array(
  fc.record({
    pause: fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 0.06, noNaN: true }),
      fc.double({ min: 0, max: 2, noNaN: true }),
    ),
    cost: fc.integer({ min: 1, max: 3 }),
  }),
  { minLength: 1, maxLength: 200 },
);

describe('a sliding window', () => {
  it('lets no more than the limit through in any stretch of its length, wherever that begins', () => {
    fc.assert(
      fc.property(rules, visits, fc.nat(10_000), (rule, arrivals, start) => {
        const window = new SlidingWindow();
        const taken: Taken[] = [];
        let now = start;
        for (const { pause, cost } of arrivals) {
          now += Math.round(pause * rule.windowMs);
          if (window.look(rule, now, cost).waitMs > 0) continue;
          window.take(rule, now, cost);
          taken.push({ at: now, cost });
          expect(usedIn(taken, now - rule.windowMs, now)).toBeLessThanOrEqual(rule.limit);
        }
      }),
    );
  });

  it('refuses only what would not fit into the window and one slot before it', () => {
    fc.assert(
      fc.property(rules, visits, (rule, arrivals) => {
        const window = new SlidingWindow();
        const slotMs = Math.ceil(rule.windowMs / slotsPerWindow);
        const taken: Taken[] = [];
        let now = 0;
        for (const { pause, cost } of arrivals) {
          now += Math.round(pause * rule.windowMs);
          if (window.look(rule, now, cost).waitMs === 0) {
            window.take(rule, now, cost);
            taken.push({ at: now, cost });
          } else expect(usedIn(taken, now - (slotsPerWindow + 1) * slotMs, now) + cost).toBeGreaterThan(rule.limit);
        }
      }),
    );
  });

  it('tells a refused caller exactly how long to wait: a millisecond sooner does not fit, then it does', () => {
    fc.assert(
      fc.property(rules, visits, (rule, arrivals) => {
        const window = new SlidingWindow();
        let now = 0;
        for (const { pause, cost } of arrivals) {
          now += Math.round(pause * rule.windowMs);
          const { waitMs } = window.look(rule, now, cost);
          if (waitMs === 0) window.take(rule, now, cost);
          else if (cost <= rule.limit) {
            expect(window.look(rule, now + waitMs - 1, cost).waitMs).toBe(1);
            expect(window.look(rule, now + waitMs, cost).waitMs).toBe(0);
            now += waitMs;
          }
        }
      }),
    );
  });

  it('counts down what remains and says when some of it comes back', () => {
    const window = new SlidingWindow();
    const rule = { algorithm: 'sliding', limit: 3, windowMs: 1_000 } as const;
    expect(window.look(rule, 5_000, 1)).toEqual({ remaining: 3, resetMs: 0, waitMs: 0 });
    window.take(rule, 5_000, 1);
    window.take(rule, 5_500, 2);
    expect(window.look(rule, 5_500, 1)).toEqual({ remaining: 0, resetMs: 550, waitMs: 550 });
    expect(window.look(rule, 5_500, 2)).toEqual({ remaining: 0, resetMs: 550, waitMs: 1_050 });
    expect(window.look(rule, 6_050, 1)).toEqual({ remaining: 1, resetMs: 500, waitMs: 0 });
  });
});
