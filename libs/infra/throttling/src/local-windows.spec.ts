import { FixedClock } from '#infra/kernel';
import type { Charge, ChargeGroup } from './charges.js';
import { LocalWindows } from './local-windows.js';

const window = (name: string, limit: number): Charge => ({
  name,
  key: name,
  rule: { algorithm: 'sliding', limit, windowMs: 60_000 },
  cost: 1,
  leasable: false,
  strict: false,
  blamed: false,
});
const only = (charge: Charge): ChargeGroup => ({ charges: [charge] });

describe('windows of one process', () => {
  it('take from all windows of a group or from none', () => {
    const windows = new LocalWindows(new FixedClock(0));
    const group = { charges: [window('wide', 100), window('narrow', 2)] };
    const taken = Array.from({ length: 4 }, () => windows.consume(group).taken);
    expect(taken).toEqual([true, true, false, false]);
    expect(windows.consume(only(window('wide', 100))).states[0]).toMatchObject({ remaining: 97, waitMs: 0 });
  });

  it('say until when a caller waits, and let it in then', () => {
    const clock = new FixedClock(30_000);
    const windows = new LocalWindows(clock);
    windows.consume(only(window('narrow', 1)));
    const { waitMs } = windows.consume(only(window('narrow', 1))).states[0]!;
    expect(waitMs).toBe(63_000);
    clock.advance(waitMs);
    expect(windows.consume(only(window('narrow', 1))).taken).toBe(true);
  });
});
