import fc from 'fast-check';
import { MoneyOverflow } from '#infra/kernel';
import type { LocalDate } from '#infra/time';
import { type LadderResult, type Matchable, matchLadder } from './ladder.js';
import { booksOf, conserves, imbalancesOf, TotalsCounter } from './totals.js';

const totalsOf = (amounts: readonly number[]) => {
  const counter = new TotalsCounter();
  for (const amount of amounts) counter.add(amount);
  return counter.totals();
};

describe('control totals', () => {
  it('count every row and add up exactly, in any order and in any parts', () => {
    const amounts = fc.array(fc.integer({ min: -1e13, max: 1e13 }), { maxLength: 50 });
    fc.assert(
      fc.property(amounts, fc.nat(50), (list, place) => {
        const exact = Number(list.reduce((sum, each) => sum + BigInt(each), 0n));
        expect(totalsOf(list)).toEqual({ count: list.length, sumMinor: exact });
        expect(totalsOf([...list.slice(place), ...list.slice(0, place)])).toEqual(totalsOf(list));
      }),
    );
  });

  it('refuse to be wrong: beyond 2^53−1 there is no sum, whatever the order', () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(totalsOf([most, -most, 0])).toEqual({ count: 3, sumMinor: 0 });
    expect(() => totalsOf([most, 1, -1])).toThrow(MoneyOverflow);
    expect(() => totalsOf([-1, 1, most])).toThrow(MoneyOverflow);
    expect(() => totalsOf([0.1])).toThrow(MoneyOverflow);
  });
});

describe('the books after a ladder', () => {
  const record = (amountMinor: number, reference: string | null, currency = 'USD'): Matchable => ({
    amountMinor,
    currency,
    date: '2026-03-01' as LocalDate,
    externalId: null,
    reference,
    memo: null,
  });
  const left = [record(10_000, 'a'), record(-500, 'b'), record(700, null), record(900, 'e', 'EUR')];
  const right = [record(9_710, 'a'), record(-500, 'b'), record(1, 'z'), record(1_000, 'e', 'EUR')];
  const result = matchLadder(left, right, [[{ field: 'reference' }]]);
  const imbalances = (changed: Partial<LadderResult>) =>
    imbalancesOf(booksOf(left, right, { ...result, ...changed })).map(({ currency, where }) => `${currency} ${where}`);

  it('have each currency by itself, and in each what is allocated and what is open make up the whole', () => {
    expect(booksOf(left, right, result)).toEqual([
      {
        currency: 'EUR',
        left: { amountsMinor: 900, allocatedMinor: 900, openMinor: 0 },
        right: { amountsMinor: 1_000, allocatedMinor: 900, openMinor: 100 },
      },
      {
        currency: 'USD',
        left: { amountsMinor: 10_200, allocatedMinor: 9_210, openMinor: 990 },
        right: { amountsMinor: 9_211, allocatedMinor: 9_210, openMinor: 1 },
      },
    ]);
    expect(conserves(booksOf(left, right, result))).toBe(true);
    expect(conserves(booksOf([], [], matchLadder([], [], [])))).toBe(true);
  });

  it('say which side is off when a match or an open record is lost or there twice', () => {
    expect(imbalances({ openLeft: [] })).toEqual(['USD left']);
    expect(imbalances({ openLeft: [2, 2] })).toEqual(['USD left']);
    expect(imbalances({ openRight: [] })).toEqual(['USD right']);
    expect(imbalances({ matches: result.matches.slice(1) })).toEqual(['USD left', 'USD right']);
    expect(imbalances({ matches: [...result.matches, ...result.matches.slice(-1)] })).toEqual([
      'EUR left',
      'EUR right',
    ]);
    const [usd] = [booksOf(left, right, result)[1]!];
    const uneven = { ...usd, right: { ...usd.right, allocatedMinor: 9_209, openMinor: 2 } };
    expect(imbalancesOf([uneven])).toEqual([
      { currency: 'USD', where: 'between', expectedMinor: 9_210, foundMinor: 9_209 },
    ]);
    expect(conserves([uneven])).toBe(false);
  });
});
