import fc from 'fast-check';
import { FixedClock } from '#infra/kernel';
import type { ChargeGroup } from './charges.js';
import { newCounter } from './counters.js';
import { Leases, leaseOf } from './leases.js';
import type { GroupAnswer } from './local-windows.js';
import type { Rule } from './rule.js';

const rule: Rule = { algorithm: 'fixed', limit: 500, windowMs: 60_000 };
const groupOf = (limit: number): ChargeGroup => ({
  charges: [
    {
      name: 'test',
      key: 'test',
      rule: { ...rule, limit },
      cost: 1,
      leasable: true,
      strict: false,
      blamed: false,
    },
  ],
});

/** One count that everybody tells, as Redis keeps it. */
class Shared {
  readonly counter = newCounter('fixed');
  constructor(
    private readonly clock: FixedClock,
    private readonly limit: number,
  ) {}

  consume(cost: number, owed: number): GroupAnswer {
    const now = this.clock.now();
    const shared = { ...rule, limit: this.limit };
    if (owed > 0) this.counter.take(shared, now, owed);
    const { waitMs } = this.counter.look(shared, now, cost);
    if (waitMs === 0) this.counter.take(shared, now, cost);
    return { at: now, taken: waitMs === 0, states: [{ ...this.counter.look(shared, now, 1), waitMs }] };
  }
}

describe('leases', () => {
  it('are a hundredth of the limit, at most a thousand', () => {
    expect([500, 999, 20_000, 10_000_000].map(leaseOf)).toEqual([5, 9, 200, 1_000]);
  });

  it('let few calls pass and then ask, telling what passed', () => {
    const clock = new FixedClock(0);
    const leases = new Leases(clock);
    const shared = new Shared(clock, 500);
    const group = groupOf(500);
    expect(leases.pass(group)).toBeUndefined();
    leases.settled(group, leases.owed(group), shared.consume(1, 0));
    for (let n = 0; n < 5; n += 1) expect(leases.pass(group)?.states[0]?.remaining).toBe(498 - n);
    expect(leases.pass(group)).toBeUndefined();
    expect(leases.owed(group)).toEqual([5]);
    // Nothing more passes until what was told is acknowledged.
    expect(leases.pass(group)).toBeUndefined();
    leases.settled(group, [5], shared.consume(1, 5));
    expect(leases.pass(group)?.states[0]?.remaining).toBe(492);
  });

  it('run low from three quarters on, until what passed is told', () => {
    const clock = new FixedClock(0);
    const leases = new Leases(clock);
    const shared = new Shared(clock, 800);
    const group = groupOf(800);
    leases.settled(group, leases.owed(group), shared.consume(1, 0));
    const passes = (calls: number) => Array.from({ length: calls }, () => leases.pass(group)?.runsLow);
    expect(passes(7)).toEqual([false, false, false, false, false, true, true]);
    const owed = leases.owed(group);
    // A renewal is under way, and what is left of the lease is given meanwhile.
    expect(passes(2)).toEqual([false, undefined]);
    leases.settled(group, owed, shared.consume(0, 7));
    expect(passes(8)).toEqual([false, false, false, false, true, true, true, undefined]);
  });

  it('end after a second, and when a fifth of the limit is left', () => {
    const clock = new FixedClock(0);
    const leases = new Leases(clock);
    const shared = new Shared(clock, 500);
    const group = groupOf(500);
    leases.settled(group, undefined, shared.consume(1, 0));
    expect(leases.pass(group)).toBeDefined();
    clock.advance(1_000);
    expect(leases.pass(group)).toBeUndefined();
    expect(leases.takeOver().map(({ key }) => key)).toEqual(['test']);
    leases.settled(group, leases.owed(group), shared.consume(399, 1));
    expect(leases.pass(group)).toBeUndefined();
  });

  it('exceed a limit by at most one lease per process, whoever asks when, and tells when', () => {
    const turn = fc.record({ process: fc.nat(2), calls: fc.integer({ min: 1, max: 40 }), pauseMs: fc.nat(1_500) });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 20, maxLength: 120 }), (turns) => {
        const clock = new FixedClock(0);
        const shared = new Shared(clock, 500);
        const processes = [new Leases(clock), new Leases(clock), new Leases(clock)];
        const group = groupOf(500);
        const passedIn = new Map<number, number>();
        /** On their way until the turn is over: what is told counts only then. */
        const renewals: (() => void)[] = [];
        for (const { process, calls, pauseMs } of turns) {
          const leases = processes[process]!;
          for (let n = 0; n < calls; n += 1) {
            const passed = leases.pass(group);
            const owed = passed === undefined || passed.runsLow ? leases.owed(group) : undefined;
            const told = owed?.[0] ?? 0;
            if (passed?.runsLow) renewals.push(() => leases.settled(group, owed, shared.consume(0, told)));
            const answer = passed ?? shared.consume(1, told);
            if (passed === undefined) leases.settled(group, owed, answer);
            const window = Math.floor(clock.now() / rule.windowMs);
            if (answer.taken) passedIn.set(window, (passedIn.get(window) ?? 0) + 1);
          }
          for (const arrive of renewals.splice(0)) arrive();
          clock.advance(pauseMs);
        }
        for (const passed of passedIn.values()) expect(passed).toBeLessThanOrEqual(500 + 3 * leaseOf(500));
      }),
    );
  });

  it('change nothing for a single process: exactly the limit passes', () => {
    const clock = new FixedClock(0);
    const leases = new Leases(clock);
    const shared = new Shared(clock, 1_000);
    const group = groupOf(1_000);
    let passed = 0;
    for (let n = 0; n < 1_500; n += 1) {
      const local = leases.pass(group) !== undefined;
      const owed = local ? undefined : leases.owed(group);
      const answer = local ? undefined : shared.consume(1, owed?.[0] ?? 0);
      if (answer !== undefined) leases.settled(group, owed, answer);
      if (local || answer?.taken) passed += 1;
    }
    expect(passed).toBe(1_000);
  });
});
