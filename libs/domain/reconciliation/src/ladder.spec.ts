import fc from 'fast-check';
import type { LocalDate } from '#infra/time';
import { NumberIds } from './key-ids.js';
import {
  type KeyPart,
  type LadderResult,
  ladderLimits,
  ladderSchema,
  type Matchable,
  matchLadder,
  matchLadderSteps,
  type Rung,
  rungSchema,
} from './ladder.js';
import { normalText } from './normal-form.js';
import { booksOf, imbalancesOf } from './totals.js';

const record = (fields: Partial<Matchable>): Matchable => ({
  amountMinor: 19_900,
  currency: 'USD',
  date: '2026-03-01' as LocalDate,
  externalId: null,
  reference: null,
  memo: null,
  ...fields,
});

const amount: KeyPart = { field: 'amount' };
const date: KeyPart = { field: 'date' };
const reference: KeyPart = { field: 'reference' };
const memo6: KeyPart = { field: 'memo', prefix: 6 };

/** Few values, so that keys meet. */
const records = fc.array(
  fc.record({
    amountMinor: fc.constantFrom(-20_000, -100, 0, 100, 100, 20_000, 20_050),
    currency: fc.constantFrom('USD', 'USD', 'EUR'),
    date: fc.constantFrom('2026-03-01', '2026-03-02', '2026-03-03') as fc.Arbitrary<LocalDate>,
    externalId: fc.constantFrom(null, 'a', 'A', 'b '),
    reference: fc.constantFrom(null, 'inv 1', 'INV  1', 'inv 2', '\u0301'),
    memo: fc.constantFrom(null, 'Zoë Martin', 'ZOE MARLEY', 'Ann', ''),
  }),
  { maxLength: 14 },
);
const part = fc.constantFrom<KeyPart>(amount, date, reference, { field: 'externalId' }, memo6, { field: 'memo' });
const rungs = fc.array(fc.uniqueArray(part, { minLength: 1, maxLength: 4, selector: ({ field }) => field }), {
  minLength: 1,
  maxLength: 4,
});
const books = fc.record({ left: records, right: records, rungs });

function textOf(each: Matchable, key: KeyPart): string {
  if (key.field === 'amount') return String(each.amountMinor);
  if (key.field === 'externalId') return each.externalId?.trim() ?? '';
  const text = key.field === 'date' ? each.date : normalText(each[key.field]);
  return key.field === 'memo' && key.prefix !== undefined ? [...text].slice(0, key.prefix).join('') : text;
}

function keyOf(each: Matchable, rung: Rung): string | null {
  const texts = rung.map((key) => textOf(each, key));
  if (each.amountMinor === 0 || texts.includes('')) return null;
  return JSON.stringify([each.currency, Math.sign(each.amountMinor), ...texts]);
}

/** The rules once more, record by record. */
function naively(left: readonly Matchable[], right: readonly Matchable[], ladder: readonly Rung[]) {
  const pairs: string[] = [];
  const open = { left: new Set(left.keys()), right: new Set(right.keys()) };
  const unclear = { left: new Set<number>(), right: new Set<number>() };
  for (const [n, rung] of ladder.entries()) {
    const holders = (side: readonly Matchable[], indices: ReadonlySet<number>, key: string) =>
      [...indices].filter((index) => keyOf(side[index]!, rung) === key);
    const keys = [...open.left].flatMap((index) => keyOf(left[index]!, rung) ?? []);
    const met = [...new Set(keys)].map(
      (key) => [holders(left, open.left, key), holders(right, open.right, key)] as const,
    );
    for (const [lefts, rights] of met) {
      if (rights.length === 0) continue;
      if (lefts.length === 1 && rights.length === 1) {
        pairs.push(`${lefts[0]} ${rights[0]} ${n}`);
        open.left.delete(lefts[0]!);
        open.right.delete(rights[0]!);
      } else {
        for (const index of lefts) unclear.left.add(index);
        for (const index of rights) unclear.right.add(index);
      }
    }
  }
  const ambiguous = {
    left: [...unclear.left].filter((index) => open.left.has(index)).length,
    right: [...unclear.right].filter((index) => open.right.has(index)).length,
  };
  return { pairs, ambiguous };
}

const pairsOf = ({ matches }: LadderResult) =>
  matches.map(({ leftIndex, rightIndex, rung }) => `${leftIndex} ${rightIndex} ${rung}`);

describe('a rung', () => {
  it('matches two records where each is the only one of its side with that key', () => {
    const left = [record({ memo: 'MATTHIAS C paym' }), record({ memo: 'Ann' }), record({ memo: 'Ann' })];
    const right = [record({ memo: 'Ann' }), record({ memo: 'matthias c PAYMENT BGC' }), record({ memo: null })];
    expect(matchLadder(left, right, [[amount, memo6]])).toEqual({
      matches: [{ leftIndex: 0, rightIndex: 1, rung: 0, allocatedMinor: 19_900, differenceMinor: 0 }],
      openLeft: [1, 2],
      openRight: [0, 2],
      matchesByRung: [1],
      ambiguous: { left: 2, right: 1 },
    });
  });

  it('takes what those above it left, so that a key may become unique on the way down', () => {
    const left = [record({ reference: 'inv 7', memo: 'Ann' }), record({ memo: 'Ann' })];
    const right = [record({ memo: 'ann' }), record({ reference: 'INV 7', memo: 'Bob' })];
    const { matches, ambiguous } = matchLadder(left, right, [[memo6], [reference], [memo6]]);
    expect(matches.map(({ leftIndex, rightIndex, rung }) => [leftIndex, rightIndex, rung])).toEqual([
      [0, 1, 1],
      [1, 0, 2],
    ]);
    expect(ambiguous).toEqual({ left: 0, right: 0 });
  });

  it('without the amount in its key allocates the smaller of two amounts, and the rest stays open', () => {
    const pair = (a: number, b: number) =>
      matchLadder(
        [record({ amountMinor: a, reference: 'x' })],
        [record({ amountMinor: b, reference: 'X' })],
        [[reference]],
      ).matches;
    expect(pair(10_000, 9_710)).toMatchObject([{ allocatedMinor: 9_710, differenceMinor: 290 }]);
    expect(pair(-9_710, -10_000)).toMatchObject([{ allocatedMinor: -9_710, differenceMinor: 290 }]);
    expect(pair(Number.MAX_SAFE_INTEGER, 1)).toMatchObject([
      { allocatedMinor: 1, differenceMinor: Number.MAX_SAFE_INTEGER - 1 },
    ]);
  });

  it('never matches another currency, another sign, nothing with nothing, or a record that lacks a part', () => {
    const isMatched = (a: Partial<Matchable>, b: Partial<Matchable>, rung: Rung = [reference]) =>
      matchLadder([record({ reference: 'x', ...a })], [record({ reference: 'x', ...b })], [rung]).matches.length === 1;
    expect(isMatched({}, {})).toBe(true);
    expect(isMatched({ currency: 'EUR' }, {})).toBe(false);
    expect(isMatched({ amountMinor: -19_900 }, {})).toBe(false);
    expect(isMatched({ amountMinor: 0 }, { amountMinor: 0 })).toBe(false);
    expect(isMatched({ reference: null }, { reference: null })).toBe(false);
    expect(isMatched({ memo: ' ' }, { memo: '' }, [reference, { field: 'memo' }])).toBe(false);
    expect(isMatched({ externalId: 'ch_1aB' }, { externalId: 'ch_1Ab' }, [{ field: 'externalId' }])).toBe(false);
  });

  it('leaves a sale and its refund under one reference apart, for they are no candidates of each other', () => {
    const both = [record({ reference: 'x' }), record({ reference: 'x', amountMinor: -19_900 })];
    const { matches, ambiguous } = matchLadder(both, [...both].reverse(), [[reference]]);
    expect(matches.map(({ leftIndex, rightIndex, allocatedMinor }) => [leftIndex, rightIndex, allocatedMinor])).toEqual(
      [
        [0, 1, 19_900],
        [1, 0, -19_900],
      ],
    );
    expect(ambiguous).toEqual({ left: 0, right: 0 });
  });
});

describe('a ladder', () => {
  it('matches whom the rules match when they are followed record by record', () => {
    let matched = 0;
    fc.assert(
      fc.property(books, ({ left, right, rungs: ladder }) => {
        const result = matchLadder(left, right, ladder);
        matched += result.matches.length;
        expect({ pairs: pairsOf(result), ambiguous: result.ambiguous }).toEqual(naively(left, right, ladder));
      }),
      { numRuns: 500 },
    );
    expect(matched).toBeGreaterThan(100);
  });

  it('allocates or leaves open every minor unit of every record, once', () => {
    fc.assert(
      fc.property(books, ({ left, right, rungs: ladder }) => {
        const result = matchLadder(left, right, ladder);
        const { matches, openLeft, openRight, matchesByRung } = result;
        const inOrder = (indices: readonly number[]) => [...indices].sort((a, b) => a - b);
        expect(inOrder([...matches.map(({ leftIndex }) => leftIndex), ...openLeft])).toEqual([...left.keys()]);
        expect(inOrder([...matches.map(({ rightIndex }) => rightIndex), ...openRight])).toEqual([...right.keys()]);
        expect([openLeft, openRight]).toEqual([inOrder(openLeft), inOrder(openRight)]);
        expect(matchesByRung.map((_, n) => matches.filter(({ rung }) => rung === n).length)).toEqual(matchesByRung);
        for (const { leftIndex, rightIndex, allocatedMinor, differenceMinor } of matches) {
          const [a, b] = [left[leftIndex]!.amountMinor, right[rightIndex]!.amountMinor];
          expect([Math.sign(allocatedMinor), Math.abs(allocatedMinor)]).toEqual([
            Math.sign(a),
            Math.min(Math.abs(a), Math.abs(b)),
          ]);
          expect(differenceMinor).toBe(a - b);
        }
        expect(imbalancesOf(booksOf(left, right, result))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('has the same result for the same records in any order', () => {
    const permuted = books.chain(({ left, right, rungs: ladder }) => {
      const order = (side: readonly Matchable[]) => fc.shuffledSubarray([...side.keys()], { minLength: side.length });
      return fc.record({
        left: fc.constant(left),
        right: fc.constant(right),
        rungs: fc.constant(ladder),
        lefts: order(left),
        rights: order(right),
      });
    });
    fc.assert(
      fc.property(permuted, ({ left, right, rungs: ladder, lefts, rights }) => {
        const before = matchLadder(left, right, ladder);
        const after = matchLadder(
          lefts.map((index) => left[index]!),
          rights.map((index) => right[index]!),
          ladder,
        );
        const back = after.matches.map(
          ({ leftIndex, rightIndex, rung }) => `${lefts[leftIndex]} ${rights[rightIndex]} ${rung}`,
        );
        expect([...back].sort()).toEqual([...pairsOf(before)].sort());
        expect([after.ambiguous, after.matchesByRung]).toEqual([before.ambiguous, before.matchesByRung]);
      }),
      { numRuns: 300 },
    );
  });

  it('has the same result, mirrored, with its sides exchanged', () => {
    fc.assert(
      fc.property(books, ({ left, right, rungs: ladder }) => {
        const { matches, openLeft, openRight, matchesByRung, ambiguous } = matchLadder(left, right, ladder);
        const mirror = matchLadder(right, left, ladder);
        const mirrored = mirror.matches.map(({ leftIndex, rightIndex, differenceMinor, ...match }) => ({
          ...match,
          leftIndex: rightIndex,
          rightIndex: leftIndex,
          differenceMinor: 0 - differenceMinor,
        }));
        mirrored.sort((a, b) => a.rung - b.rung || a.leftIndex - b.leftIndex);
        expect(mirrored).toEqual(matches);
        expect([mirror.openRight, mirror.openLeft, mirror.matchesByRung]).toEqual([openLeft, openRight, matchesByRung]);
        expect(mirror.ambiguous).toEqual({ left: ambiguous.right, right: ambiguous.left });
      }),
      { numRuns: 300 },
    );
  });

  it('pairs the same records when every amount is a hundred times as much', () => {
    const scaled = (side: readonly Matchable[]) =>
      side.map((each) => ({ ...each, amountMinor: each.amountMinor * 100 }));
    fc.assert(
      fc.property(books, ({ left, right, rungs: ladder }) => {
        const [one, hundred] = [matchLadder(left, right, ladder), matchLadder(scaled(left), scaled(right), ladder)];
        const times100 = one.matches.map((match) => ({
          ...match,
          allocatedMinor: match.allocatedMinor * 100,
          differenceMinor: match.differenceMinor * 100,
        }));
        expect(hundred).toEqual({ ...one, matches: times100 });
      }),
      { numRuns: 200 },
    );
  });

  it('loses no match to a record that shares no key with any other', () => {
    const stranger = record({
      amountMinor: 77,
      date: '2030-01-01' as LocalDate,
      externalId: 'z',
      reference: 'zz',
      memo: 'Zz',
    });
    fc.assert(
      fc.property(books, fc.boolean(), ({ left, right, rungs: ladder }, onLeft) => {
        const more = onLeft
          ? matchLadder([...left, stranger], right, ladder)
          : matchLadder(left, [...right, stranger], ladder);
        expect(more.matches).toEqual(matchLadder(left, right, ladder).matches);
      }),
      { numRuns: 200 },
    );
  });

  it('of one rung loses to another record only the match whose key that makes ambiguous', () => {
    fc.assert(
      fc.property(books, records, ({ left, right, rungs: [rung = []] }, [added = record({})]) => {
        const before = matchLadder(left, right, [rung]).matches;
        const after = matchLadder([...left, added], right, [rung]).matches.filter(
          ({ leftIndex }) => leftIndex < left.length,
        );
        const isTwin = (index: number) => matchLadder([left[index]!], [added], [rung]).matches.length === 1;
        expect(after).toEqual(before.filter(({ leftIndex }) => !isTwin(leftIndex)));
      }),
      { numRuns: 300 },
    );
  });

  it('pauses while it works, and ends with the same result', () => {
    const many = Array.from({ length: 60_000 }, (_, n) => record({ amountMinor: n + 1, memo: `Customer ${n}` }));
    const steps = matchLadderSteps(many, many, [[memo6], [amount, { field: 'memo' }]]);
    const seen: string[] = [];
    let step = steps.next();
    for (; !step.done; step = steps.next()) seen.push(`${step.value.rung + 1}/${step.value.rungs}`);
    expect(new Set(seen)).toEqual(new Set(['1/2', '2/2']));
    expect(seen.length).toBeGreaterThan(20);
    expect([step.value.matches.length, step.value.matchesByRung]).toEqual([60_000, [0, 60_000]]);
    expect(step.value).toEqual(matchLadder(many, many, [[memo6], [amount, { field: 'memo' }]]));
  });

  it('has one to eight rungs of one to five fields, none of them twice', () => {
    const isRung = (value: unknown) => rungSchema.safeParse(value).success;
    const isLadder = (value: unknown) => ladderSchema.safeParse(value).success;
    const five: readonly KeyPart[] = [amount, date, reference, { field: 'externalId' }, memo6];
    expect([isRung(five), isRung([{ field: 'memo', prefix: 64 }]), isRung([{ field: 'memo' }])]).toEqual([
      true,
      true,
      true,
    ]);
    const wrong = [[], [...five, amount], [amount, amount], [{ field: 'memo' }, memo6], [{ field: 'card' }]];
    const strange = [
      [{ field: 'memo', prefix: 0 }],
      [{ field: 'memo', prefix: 65 }],
      [{ field: 'date', prefix: 4 }],
      amount,
    ];
    for (const value of [...wrong, ...strange]) expect([value, isRung(value)]).toEqual([value, false]);
    const rungsOf = (count: number) => Array.from({ length: count }, () => five);
    expect([0, 1, ladderLimits.rungs, ladderLimits.rungs + 1].map((count) => isLadder(rungsOf(count)))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

describe('ids of numbers', () => {
  it('are one for each, from 1, whatever the numbers are', () => {
    const near = fc
      .nat(5)
      .chain((n) => fc.constantFrom(n, -n, 2 ** 32 * n, 2 ** 32 + n, Number.MAX_SAFE_INTEGER - n, n - 2 ** 53 + 1));
    fc.assert(
      fc.property(fc.array(fc.oneof(near, fc.maxSafeInteger()), { maxLength: 60 }), (raw) => {
        const numbers = raw.map((each) => each + 0);
        const ids = new NumberIds(numbers.length);
        for (let round = 0; round < 2; round += 1) {
          const known = [...new Set(numbers)];
          expect(numbers.map((each) => ids.idOf(each))).toEqual(numbers.map((each) => known.indexOf(each) + 1));
          expect(ids.size).toBe(known.length);
          ids.clear();
        }
      }),
      { numRuns: 500 },
    );
  });
});
