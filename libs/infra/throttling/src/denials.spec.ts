import { FixedClock } from '#infra/kernel';
import type { ChargeGroup } from './charges.js';
import { Denials } from './denials.js';

const groupOf = (limit: number, cost = 1): ChargeGroup => ({
  charges: [
    {
      name: 'test',
      key: 'test',
      rule: { algorithm: 'sliding', limit, windowMs: 60_000 },
      cost,
      leasable: false,
      strict: false,
      blamed: true,
    },
  ],
  abuse: 'abuse',
});
const refused = (waitMs: number) => ({ at: 0, taken: false, states: [{ remaining: 0, resetMs: waitMs, waitMs }] });

describe('who was refused', () => {
  it('is refused here until it is worth asking again', () => {
    const clock = new FixedClock(0);
    const denials = new Denials(clock);
    expect(denials.find(groupOf(5))).toBeUndefined();
    denials.note(groupOf(5), refused(3_000));
    clock.advance(1_000);
    expect(denials.find(groupOf(5))).toMatchObject({ taken: false, states: [{ remaining: 0, waitMs: 2_000 }] });
    clock.advance(2_000);
    expect(denials.find(groupOf(5))).toBeUndefined();
  });

  it('asks anew with a higher limit or a smaller cost', () => {
    const denials = new Denials(new FixedClock(0));
    denials.note(groupOf(5, 3), refused(3_000));
    expect(denials.find(groupOf(5, 3))).toBeDefined();
    expect(denials.find(groupOf(6, 3))).toBeUndefined();
    expect(denials.find(groupOf(5, 2))).toBeUndefined();
  });

  it('asks anew every 10 s while it is blocked, because a block may be lifted elsewhere', () => {
    const clock = new FixedClock(0);
    const denials = new Denials(clock);
    denials.note(groupOf(5), {
      at: 0,
      taken: false,
      states: [{ remaining: 5, resetMs: 0, waitMs: 0 }],
      blockedMs: 900_000,
    });
    clock.advance(9_999);
    expect(denials.find(groupOf(5))).toMatchObject({ taken: false, blockedMs: 890_001 });
    clock.advance(1);
    expect(denials.find(groupOf(5))).toBeUndefined();
  });
});
