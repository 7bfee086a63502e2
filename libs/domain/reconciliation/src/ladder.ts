import { z } from 'zod';
import type { LocalDate } from '#infra/time';
import { NumberIds, TextIds } from './key-ids.js';
import { normalText, prefixOf } from './normal-form.js';

export const ladderLimits = { rungs: 8, parts: 5, prefixLetters: 64, recordsPerSide: 8_000_000 } as const;

/** What two records must have in common. Reference and memo count in normal form, the id of the source as it is written. */
export const keyPartSchema = z.discriminatedUnion('field', [
  z.strictObject({ field: z.literal('amount') }),
  z.strictObject({ field: z.literal('date') }),
  z.strictObject({ field: z.literal('reference') }),
  z.strictObject({ field: z.literal('externalId') }),
  z.strictObject({
    field: z.literal('memo'),
    /** Only so many letters from its start. */
    prefix: z.int().min(1).max(ladderLimits.prefixLetters).optional(),
  }),
]);
export type KeyPart = z.infer<typeof keyPartSchema>;

export const rungSchema = z
  .array(keyPartSchema)
  .min(1)
  .max(ladderLimits.parts)
  .refine((parts) => new Set(parts.map(({ field }) => field)).size === parts.length, 'each field at most once');
export type Rung = readonly KeyPart[];

export const ladderSchema = z.array(rungSchema).min(1).max(ladderLimits.rungs);

/** A record of either side. */
export interface Matchable {
  readonly amountMinor: number;
  readonly currency: string;
  readonly date: LocalDate;
  readonly externalId: string | null;
  readonly reference: string | null;
  readonly memo: string | null;
}

export interface LadderMatch {
  readonly leftIndex: number;
  readonly rightIndex: number;
  /** Index of the rung that found it. */
  readonly rung: number;
  /** The smaller amount of the two with their common sign; what either has beyond it stays open. Never 0. */
  readonly allocatedMinor: number;
  /** Left − right. */
  readonly differenceMinor: number;
}

export interface LadderResult {
  /** By rung, then by left index. A record is in one of them at most. */
  readonly matches: readonly LadderMatch[];
  /** Ascending indices of the records in no match. */
  readonly openLeft: readonly number[];
  readonly openRight: readonly number[];
  readonly matchesByRung: readonly number[];
  /** Open records that on some rung shared their key with the other side, but not as one with one. */
  readonly ambiguous: { readonly left: number; readonly right: number };
}

export interface LadderProgress {
  readonly rung: number;
  readonly rungs: number;
  readonly matches: number;
}

/** Records that are looked at between two moments at which the caller may do something else. */
const sliceRecords = 16_384;

/**
 * Goes down the ladder. Each rung joins by its key what is open on both sides, and matches two records where each is the
 * only one of its side with that key. Records of another currency or sign are no candidates and make nothing ambiguous;
 * a record that lacks a part of the key waits for the next rung; one of amount 0 has nothing to match. Who matches whom
 * does not depend on the order of the records.
 *
 * Yields every few milliseconds, so that the caller can let the event loop turn.
 */
export function* matchLadderSteps(
  left: readonly Matchable[],
  right: readonly Matchable[],
  rungs: readonly Rung[],
): Generator<LadderProgress, LadderResult, void> {
  if (Math.max(left.length, right.length) > ladderLimits.recordsPerSide)
    throw new RangeError('too many records for one run');
  const climb = new Climb(left, right);
  for (const [rung, parts] of rungs.entries())
    for (const _ of climb.rung(rung, parts)) yield { rung, rungs: rungs.length, matches: climb.matches.length };
  return climb.result(rungs.length);
}

/** The whole ladder in one go: it holds the event loop for about 1 µs per record and rung. */
export function matchLadder(
  left: readonly Matchable[],
  right: readonly Matchable[],
  rungs: readonly Rung[],
): LadderResult {
  const steps = matchLadderSteps(left, right, rungs);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

type Slices = Generator<void, void, void>;

function* inSlices(total: number, work: (n: number) => void): Slices {
  for (let from = 0; from < total; from += sliceRecords) {
    const to = Math.min(from + sliceRecords, total);
    for (let n = from; n < to; n += 1) work(n);
    yield;
  }
}

/** Ids of keys by position are what is joined; a left record's position is its index, a right one's follows on. */
class Climb {
  readonly matches: LadderMatch[] = [];
  private readonly total: number;
  private readonly matched: Uint8Array;
  private readonly ambiguous: Uint8Array;
  /** Positions of the records that are open, ascending, and the key of each, 0 where it has none. */
  private open: Int32Array;
  private readonly keys: Int32Array;
  private readonly columns = new Map<string, Int32Array>();
  /** Made once and cleared: large arrays that come and go make the collector stop the process. */
  private readonly ids: NumberIds;
  private readonly lefts: Holders;
  private readonly rights: Holders;

  constructor(
    private readonly left: readonly Matchable[],
    private readonly right: readonly Matchable[],
  ) {
    this.total = left.length + right.length;
    this.matched = new Uint8Array(this.total);
    this.ambiguous = new Uint8Array(this.total);
    this.open = new Int32Array(this.total).map((_, position) => position);
    this.keys = new Int32Array(this.total);
    this.ids = new NumberIds(this.total);
    this.lefts = new Holders(this.total);
    this.rights = new Holders(this.total);
  }

  *rung(rung: number, parts: Rung): Slices {
    const { open, keys, lefts, rights } = this;
    const distinct = yield* this.fillKeys(parts);
    lefts.clear();
    rights.clear();
    yield* inSlices(open.length, (n) => {
      const position = open[n] ?? 0;
      (position < this.left.length ? lefts : rights).add(keys[n] ?? 0, position);
    });
    yield* inSlices(distinct + 1, (key) => {
      if (lefts.isSole(key) && rights.isSole(key)) this.match(rung, lefts.last(key), rights.last(key));
    });
    yield* inSlices(open.length, (n) => {
      const key = keys[n] ?? 0;
      if (lefts.has(key) && rights.has(key)) this.ambiguous[open[n] ?? 0] = 1;
    });
    this.open = open.filter((position) => this.matched[position] === 0);
  }

  result(rungs: number): LadderResult {
    const matchesByRung = Array.from({ length: rungs }, () => 0);
    for (const { rung } of this.matches) matchesByRung[rung] = (matchesByRung[rung] ?? 0) + 1;
    const ambiguous = { left: 0, right: 0 };
    const openLeft: number[] = [];
    const openRight: number[] = [];
    for (const position of this.open) {
      const isLeft = position < this.left.length;
      if (isLeft) openLeft.push(position);
      else openRight.push(position - this.left.length);
      if (this.ambiguous[position] === 1) ambiguous[isLeft ? 'left' : 'right'] += 1;
    }
    return { matches: this.matches, openLeft, openRight, matchesByRung, ambiguous };
  }

  private match(rung: number, leftIndex: number, rightPosition: number): void {
    const rightIndex = rightPosition - this.left.length;
    const [a, b] = [this.at(leftIndex).amountMinor, this.at(rightPosition).amountMinor];
    const allocatedMinor = a > 0 ? Math.min(a, b) : Math.max(a, b);
    this.matches.push({ leftIndex, rightIndex, rung, allocatedMinor, differenceMinor: a - b });
    this.matched[leftIndex] = 1;
    this.matched[rightPosition] = 1;
  }

  /** The key of each open record, 0 where it has none; returns how many different ones there are. */
  private *fillKeys(parts: Rung): Generator<void, number, void> {
    const { open, keys, ids } = this;
    keys.fill(1);
    for (const part of ['money' as const, ...parts]) {
      const column = yield* this.column(part);
      ids.clear();
      yield* inSlices(open.length, (n) => {
        const key = keys[n] ?? 0;
        const id = column[open[n] ?? 0] ?? 0;
        keys[n] = key === 0 || id === 0 ? 0 : ids.idOf(key * idSpan + id);
      });
    }
    return ids.size;
  }

  /** Ids of one part by position, 0 where a record lacks it. Made once, for all rungs. */
  private *column(part: KeyPart | 'money'): Generator<void, Int32Array, void> {
    const name = JSON.stringify(part);
    const known = this.columns.get(name);
    if (known !== undefined) return known;
    const column = new Int32Array(this.total);
    this.ids.clear();
    const idOf = idsOf(part, this.ids);
    yield* inSlices(this.total, (position) => {
      column[position] = idOf(this.at(position));
    });
    this.columns.set(name, column);
    return column;
  }

  private at(position: number): Matchable {
    const isLeft = position < this.left.length;
    const record = isLeft ? this.left[position] : this.right[position - this.left.length];
    if (record === undefined) throw new RangeError(`no record at ${position}`);
    return record;
  }
}

/** More than there are ids: two of them make one safe integer. */
const idSpan = 2 ** 26;

function idsOf(part: KeyPart | 'money', numbers: NumberIds): (record: Matchable) => number {
  if (part === 'money') return moneyIds();
  if (part.field === 'amount') return ({ amountMinor }) => numbers.idOf(amountMinor);
  const texts = new TextIds();
  const textOf = partText(part);
  return (record) => {
    const text = textOf(record);
    return text === '' ? 0 : texts.idOf(text);
  };
}

/** What every key begins with: currency and sign. */
function moneyIds(): (record: Matchable) => number {
  const currencies = new TextIds();
  return ({ amountMinor, currency }) => {
    if (amountMinor === 0) return 0;
    return 2 * currencies.idOf(currency) + (amountMinor < 0 ? 1 : 0);
  };
}

function partText(part: Exclude<KeyPart, { field: 'amount' }>): (record: Matchable) => string {
  switch (part.field) {
    case 'date':
      return ({ date }) => date;
    case 'externalId':
      return ({ externalId }) => externalId?.trim() ?? '';
    case 'reference':
      return ({ reference }) => normalText(reference);
    case 'memo':
      return ({ memo }) => prefixOf(normalText(memo), part.prefix ?? Number.MAX_SAFE_INTEGER);
  }
}

/** Who holds each key: nobody, one position, or several. Key 0 is no key. */
class Holders {
  private readonly counts: Uint8Array;
  private readonly positions: Int32Array;

  constructor(keys: number) {
    this.counts = new Uint8Array(keys + 1);
    this.positions = new Int32Array(keys + 1);
  }

  clear(): void {
    this.counts.fill(0);
  }
  add(key: number, position: number): void {
    if (key === 0) return;
    this.counts[key] = this.has(key) ? 2 : 1;
    this.positions[key] = position;
  }
  has(key: number): boolean {
    return this.counts[key] !== 0;
  }
  isSole(key: number): boolean {
    return this.counts[key] === 1;
  }
  last(key: number): number {
    return this.positions[key] ?? 0;
  }
}
