import fc from 'fast-check';
import { newCounter } from './counters.js';
import { type Algorithm, algorithms, type Rule } from './rule.js';
import { slotsPerWindow } from './sliding-window.js';

interface Taken {
  readonly at: number;
  readonly cost: number;
}
type Verdict = 'pass' | 'refuse' | 'either';

const sum = (taken: readonly Taken[]): number => taken.reduce((all, { cost }) => all + cost, 0);
const judged = (passes: boolean): Verdict => (passes ? 'pass' : 'refuse');

/** No stretch since any earlier call may hold more than the allowance and what has come back in that time. */
function staysBelow(taken: readonly Taken[], next: Taken, allowance: number, perMs: number): boolean {
  const all = [...taken, next];
  let used = 0;
  for (let n = all.length - 1; n >= 0; n -= 1) {
    used += all[n]!.cost;
    if (used > allowance + (next.at - all[n]!.at) * perMs) return false;
  }
  return true;
}

/** What the whole log of what passed says of one more call. */
const models: Readonly<Record<Algorithm, (rule: Rule, taken: readonly Taken[], next: Taken) => Verdict>> = {
  sliding: ({ limit, windowMs }, taken, next) => {
    const slotMs = Math.ceil(windowMs / slotsPerWindow);
    const within = (ms: number) => sum(taken.filter(({ at }) => at > next.at - ms)) + next.cost;
    if (within(windowMs) > limit) return 'refuse';
    return within((slotsPerWindow + 1) * slotMs) <= limit ? 'pass' : 'either';
  },
  fixed: ({ limit, windowMs }, taken, next) => {
    const windowOf = (at: number) => Math.floor(at / windowMs);
    return judged(sum(taken.filter(({ at }) => windowOf(at) === windowOf(next.at))) + next.cost <= limit);
  },
  bucket: ({ limit, windowMs }, taken, next) => {
    const inParts = ({ at, cost }: Taken): Taken => ({ at, cost: cost * windowMs });
    return judged(staysBelow(taken.map(inParts), inParts(next), limit * windowMs, limit));
  },
  gcra: ({ limit, windowMs }, taken, next) => {
    const stepUs = Math.ceil((windowMs * 1_000) / limit);
    const inUs = ({ at, cost }: Taken): Taken => ({ at, cost: cost * stepUs });
    return judged(staysBelow(taken.map(inUs), inUs(next), limit * stepUs, 1_000));
  },
};

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
  { minLength: 1, maxLength: 15 },
);
const sizes = fc.record({ limit: fc.integer({ min: 1, max: 12 }), windowMs: fc.integer({ min: 1, max: 3_000 }) });

/** Every call of a random sequence is judged by the log of what passed before. */
function agrees(algorithm: Algorithm, sequences: number): void {
  fc.assert(
    fc.property(sizes, visits, fc.nat(10_000), (size, arrivals, start) => {
      const rule = { algorithm, ...size };
      const counter = newCounter(algorithm);
      const taken: Taken[] = [];
      let now = start;
      for (const { pause, cost } of arrivals) {
        now += Math.round(pause * rule.windowMs);
        const { waitMs } = counter.look(rule, now, cost);
        const verdict = models[algorithm](rule, taken, { at: now, cost });
        if (verdict !== 'either' && (waitMs === 0) !== (verdict === 'pass')) return false;
        if (waitMs > 0) continue;
        counter.take(rule, now, cost);
        taken.push({ at: now, cost });
      }
      return true;
    }),
    { numRuns: sequences },
  );
}

describe('counters', () => {
  it('[D-040] the sliding window differs from the exact log only where 5 % of the window decide', () => {
    agrees('sliding', 10_000);
  });

  it('[D-041] the token bucket says what an exact model says, in 10,000 random sequences', () => {
    agrees('bucket', 10_000);
  });

  it('[D-042] the fixed window says what an exact model says, in 10,000 random sequences', () => {
    agrees('fixed', 10_000);
  });

  it('[D-043] one rule, set to each of the four algorithms, is held as that algorithm’s own model says', () => {
    for (const algorithm of algorithms) agrees(algorithm, 1_000);
  });

  it.each(algorithms)('%s tells a refused caller how long to wait: not sooner, and then it fits', (algorithm) => {
    fc.assert(
      fc.property(sizes, visits, (size, arrivals) => {
        const rule = { algorithm, ...size };
        const counter = newCounter(algorithm);
        let now = 0;
        for (const { pause, cost } of arrivals) {
          now += Math.round(pause * rule.windowMs);
          const { waitMs } = counter.look(rule, now, cost);
          if (waitMs === 0) counter.take(rule, now, cost);
          else if (cost <= rule.limit) {
            expect(counter.look(rule, now + waitMs - 1, cost).waitMs).toBeGreaterThan(0);
            expect(counter.look(rule, now + waitMs, cost).waitMs).toBe(0);
            now += waitMs;
          }
        }
      }),
    );
  });

  it('[A-047] a bucket of 2,000 that gets 1,000 a second lets exactly 2,000 pass at once, then 1,000 in each second', () => {
    const rule = { algorithm: 'bucket', limit: 2_000, windowMs: 2_000 } as const;
    const counter = newCounter('bucket');
    const passAt = (now: number): number => {
      let passed = 0;
      while (counter.look(rule, now, 1).waitMs === 0) {
        counter.take(rule, now, 1);
        passed += 1;
      }
      return passed;
    };
    expect(passAt(1_000_000)).toBe(2_000);
    expect(counter.look(rule, 1_000_000, 1)).toEqual({ remaining: 0, resetMs: 1, waitMs: 1 });
    for (let second = 1; second <= 5; second += 1) {
      let passed = 0;
      for (let ms = 1; ms <= 1_000; ms += 1) passed += passAt(1_000_000 + (second - 1) * 1_000 + ms);
      expect(passed).toBe(1_000);
    }
  });
});
