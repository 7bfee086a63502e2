import fc from 'fast-check';
import {
  andInto,
  type Bits,
  bitsFor,
  clearRange,
  eachBit,
  hasBit,
  keepRuns,
  orInto,
  setBit,
  setRange,
  shiftDown,
  Tally,
} from './bitset.js';

const lengths = fc.integer({ min: 1, max: 200 });
const flags = lengths.chain((length) => fc.array(fc.boolean(), { minLength: length, maxLength: length }));

const packed = (values: readonly boolean[]): Bits => {
  const bits = bitsFor(values.length);
  values.forEach((value, i) => {
    if (value) setBit(bits, i);
  });
  return bits;
};
const unpacked = (bits: Bits, length: number): readonly boolean[] => Array.from({ length }, (_, i) => hasBit(bits, i));

describe('bits', () => {
  it('are set and cleared by ranges as one by one', () => {
    fc.assert(
      fc.property(flags, fc.nat(), fc.nat(), (values, a, b) => {
        const [from, to] = [a % values.length, b % (values.length + 1)];
        const within = (i: number) => i >= from && i < to;
        const set = packed(values);
        setRange(set, from, to);
        expect(unpacked(set, values.length)).toEqual(values.map((value, i) => value || within(i)));
        const cleared = packed(values);
        clearRange(cleared, from, to);
        expect(unpacked(cleared, values.length)).toEqual(values.map((value, i) => value && !within(i)));
      }),
      { numRuns: 500 },
    );
  });

  it('shift down across words, into shorter targets and into themselves', () => {
    fc.assert(
      fc.property(flags, lengths, fc.integer({ min: 0, max: 260 }), (values, length, by) => {
        const shifted = (count: number) => Array.from({ length: count }, (_, i) => values[i + by] ?? false);
        const target = bitsFor(length).fill(-1);
        shiftDown(target, packed(values), by);
        const whole = target.length * 32;
        expect(unpacked(target, whole)).toEqual(shifted(whole));
        const itself = packed(values);
        shiftDown(itself, itself, by);
        expect(unpacked(itself, values.length)).toEqual(shifted(values.length));
      }),
      { numRuns: 500 },
    );
  });

  it('keep exactly the starts of long enough runs', () => {
    fc.assert(
      fc.property(flags, fc.integer({ min: 1, max: 70 }), (dense, length) => {
        const values = dense.map((value, i) => value || i % 7 !== 0);
        const bits = packed(values);
        keepRuns(bits, length, bitsFor(values.length));
        const naive = values.map((_, i) => i + length <= values.length && values.slice(i, i + length).every(Boolean));
        expect(unpacked(bits, values.length)).toEqual(naive);
      }),
      { numRuns: 500 },
    );
  });

  it('combine and list like sets', () => {
    fc.assert(
      fc.property(lengths, fc.infiniteStream(fc.boolean()), (length, stream) => {
        const [a, b] = [0, 1].map(() => Array.from({ length }, () => stream.next().value as boolean)) as [
          boolean[],
          boolean[],
        ];
        const [both, either] = [packed(a), packed(a)];
        andInto(both, packed(b));
        orInto(either, packed(b));
        expect(unpacked(both, length)).toEqual(a.map((value, i) => value && b[i]!));
        expect(unpacked(either, length)).toEqual(a.map((value, i) => value || b[i]!));
        const listed: number[] = [];
        eachBit(packed(a), (index) => listed.push(index));
        expect(listed).toEqual(a.flatMap((value, i) => (value ? [i] : [])));
      }),
    );
  });

  it('are counted exactly, up to the most that a tally was made for', () => {
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 1, max: 40 }),
        fc.infiniteStream(fc.boolean()),
        (length, sets, need, stream) => {
          const rows = Array.from({ length: sets }, () => Array.from({ length }, () => stream.next().value as boolean));
          const tally = new Tally(length, sets);
          for (const row of rows) tally.add(packed(row));
          const counts = Array.from({ length }, (_, i) => rows.filter((row) => row[i]).length);
          expect(counts.map((_, i) => tally.at(i))).toEqual(counts);
          const enough = packed(counts.map(() => true));
          tally.keepAtLeast(need, enough);
          expect(unpacked(enough, length)).toEqual(counts.map((count) => count >= need));
        },
      ),
      { numRuns: 300 },
    );
  });
});
