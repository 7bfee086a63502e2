import { cpuSince, readTimes } from './cpu.js';

describe('processor time', () => {
  it('is read from the fields of /proc/…/stat, whatever the program is called', () => {
    const stat = '42 (post (gres) x) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 99 1 2';
    expect(readTimes(stat, 100)).toEqual({ parent: 7, ownMs: 2_000, endedMs: 500 });
  });

  it('of this process grows with its work', () => {
    const since = cpuSince(process.pid, process.pid);
    const endsAt = performance.now() + 60;
    while (performance.now() < endsAt) Math.sqrt(endsAt);
    expect(since().generator).toBeGreaterThanOrEqual(20);
  });
});
