import { type Balancing, choose, Latency, SlowStart } from './balance.js';

const candidates = (...loads: (readonly [inFlight: number, latencyMs: number])[]) =>
  loads.map(([inFlight, latencyMs], n) => ({ name: n, inFlight, latencyMs }));
const counted = (balancing: Balancing, among: ReturnType<typeof candidates>, times: number, random = Math.random) => {
  const counts = among.map(() => 0);
  for (let turn = 0; turn < times; turn += 1) {
    const chosen = choose(balancing, among, turn, random);
    if (chosen) counts[chosen.name] = (counts[chosen.name] ?? 0) + 1;
  }
  return counts;
};

describe('the choice of a replica', () => {
  it('[D-023, D-025] gives each of three its third, in turn, whatever they have to do', () => {
    const [a = 0, b = 0, c = 0] = counted('round-robin', candidates([0, 1], [50, 900], [3, 2]), 100);
    expect(a + b + c).toBe(100);
    for (const count of [a, b, c]) expect(Math.abs(count - 100 / 3)).toBeLessThanOrEqual(1);
  });

  it('takes the least busy, or nobody where there is none', () => {
    expect(counted('least-in-flight', candidates([2, 1], [1, 900], [3, 1]), 10)).toEqual([0, 10, 0]);
    expect(choose('least-in-flight', [], 0, Math.random)).toBeUndefined();
    expect(choose('power-of-two', candidates([7, 7]), 0, Math.random)).toMatchObject({ name: 0 });
  });

  it('of two that chance picks takes the one where less waits: in flight times latency', () => {
    const [fast = 0, slow = 0] = counted('power-of-two', candidates([3, 2], [0, 100]), 100);
    expect([fast, slow]).toEqual([100, 0]);
    const even = counted('power-of-two', candidates([1, 5], [1, 5], [1, 5], [9, 50]), 3_000);
    expect(even[3]).toBe(0);
    for (const count of even.slice(0, 3)) expect(count).toBeGreaterThan(700);
  });

  it('never compares one with itself, wherever chance points', () => {
    for (const drawn of [0, 0.34, 0.67, 0.999])
      expect(counted('power-of-two', candidates([9, 9], [0, 1]), 10, () => drawn)).toEqual([0, 10]);
  });
});

describe('what reads take on a server', () => {
  it('follows new ones by a fifth and forgets what nobody confirms', () => {
    const latency = new Latency();
    latency.heard(10, 1_000);
    latency.heard(20, 1_000);
    expect(latency.at(1_000)).toBeCloseTo(12);
    expect(latency.at(11_000)).toBeCloseTo(12 / Math.E);
    expect(latency.at(200_000)).toBeLessThan(0.01);
  });
});

describe('a server that has come back', () => {
  const admitted = (start: SlowStart, now: number) =>
    Array.from({ length: 100 }, () => start.admits(now)).filter((admits) => admits).length;

  it('gets a tenth of its reads at first, half of them midway, all after 10 s; one that never left gets all', () => {
    const start = new SlowStart();
    expect(admitted(start, 0)).toBe(100);
    start.begin(5_000);
    expect(Math.abs(admitted(start, 5_000) - 10)).toBeLessThanOrEqual(1);
    expect(Math.abs(admitted(start, 10_000) - 55)).toBeLessThanOrEqual(1);
    expect(admitted(start, 15_000)).toBe(100);
  });
});
