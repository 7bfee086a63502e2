import fc from 'fast-check';
import { formatWalPosition, LagMeter, parseSortable, parseWalPosition, sortableWalPosition } from './lag.js';

const positions = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

describe('positions in the log', () => {
  it('survive both texts, and sort as text as they do as numbers', () => {
    fc.assert(
      fc.property(positions, positions, (a, b) => {
        expect(parseWalPosition(formatWalPosition(a))).toBe(a);
        expect(parseSortable(sortableWalPosition(a))).toBe(a);
        expect(sortableWalPosition(a) < sortableWalPosition(b)).toBe(a < b);
      }),
    );
  });

  it('reads PostgreSQL’s text', () => {
    expect(parseWalPosition('16/B374D848')).toBe(0x16b374d848n);
  });
});

describe('lag of a replica', () => {
  const meter = () => {
    const m = new LagMeter();
    m.sample(1_000, 10n);
    m.sample(2_000, 20n);
    m.sample(3_000, 20n);
    return m;
  };

  it('is nothing when everything is replayed, however long the primary has been idle', () => {
    expect(meter().lagMs(1_000_000, 20n)).toBe(0);
    expect(meter().lagBytes(20n)).toBe(0n);
  });

  it('is the age of the oldest thing that is missing', () => {
    expect(meter().lagMs(5_000, 15n)).toBe(3_000);
    expect(meter().lagBytes(15n)).toBe(5n);
  });

  it('is endless for a replica that was behind already when measuring began: a young process trusts no old past', () => {
    const m = new LagMeter();
    m.sample(1_000, 10n);
    expect(m.lagMs(1_000, 9n)).toBe(Number.POSITIVE_INFINITY);
    m.sample(2_000, 12n);
    expect(m.lagMs(2_500, 9n)).toBe(Number.POSITIVE_INFINITY);
    expect(m.lagMs(2_500, 10n)).toBe(500);
  });

  it('is endless for a replica further behind than two minutes of samples', () => {
    const m = new LagMeter();
    for (let n = 0; n < 500; n += 1) m.sample(n * 1_000, BigInt(n + 1));
    expect(m.lagMs(500_000, 1n)).toBe(Number.POSITIVE_INFINITY);
    expect(m.lagMs(500_000, 499n)).toBe(1_000);
  });
});
