import { NextFlight } from './next-flight.js';

/** Computations that the test ends by hand, numbered as they begin. */
function computations() {
  const ends: (() => void)[] = [];
  const compute = () =>
    new Promise<number>((resolve) => {
      const n = ends.length + 1;
      ends.push(() => resolve(n));
    });
  return { ends, compute };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('one computation at a time', () => {
  it('all who ask while one runs share the next, which begins after they asked', async () => {
    const { ends, compute } = computations();
    const flights = new NextFlight<number>();
    const first = flights.run('day', compute);
    const meanwhile = [flights.run('day', compute), flights.run('day', compute), flights.run('day', compute)];
    expect(ends).toHaveLength(1);
    ends[0]?.();
    expect(await first).toBe(1);
    await turn();
    expect(ends).toHaveLength(2);
    const later = flights.run('day', compute);
    ends[1]?.();
    expect(await Promise.all(meanwhile)).toEqual([2, 2, 2]);
    await turn();
    ends[2]?.();
    expect(await later).toBe(3);
    expect(ends).toHaveLength(3);
  });

  it('a failure reaches those who shared it and not those who ask afterwards', async () => {
    const { ends, compute } = computations();
    const flights = new NextFlight<number>();
    const failing = flights.run('day', () => Promise.reject(new Error('database away')));
    const next = flights.run('day', compute);
    await expect(failing).rejects.toThrow('database away');
    await turn();
    ends[0]?.();
    expect(await next).toBe(1);
  });

  it('other keys do not wait, and nothing is kept of a key that is done', async () => {
    const { ends, compute } = computations();
    const flights = new NextFlight<number>();
    const one = flights.run('Monday', compute);
    const other = flights.run('Tuesday', compute);
    expect(ends).toHaveLength(2);
    for (const end of ends) end();
    expect(await Promise.all([one, other])).toEqual([1, 2]);
    await turn();
    const again = flights.run('Monday', compute);
    expect(ends).toHaveLength(3);
    ends[2]?.();
    expect(await again).toBe(3);
  });
});
