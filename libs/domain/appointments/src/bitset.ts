/** Bit i is bit `i & 31` of word `i >>> 5`. Bits past the length asked for are never set. */
export type Bits = Uint32Array;

export const bitsFor = (length: number): Bits => new Uint32Array((length + 31) >>> 5);

/** Callers keep the index inside the array. */
const word = (bits: Bits, index: number): number => bits[index] as number;

export const hasBit = (bits: Bits, index: number): boolean => ((word(bits, index >>> 5) >>> (index & 31)) & 1) === 1;

export function setBit(bits: Bits, index: number): void {
  bits[index >>> 5] = word(bits, index >>> 5) | (1 << (index & 31));
}

/** Calls back with every word that [from, to) touches and the mask of its bits inside the range. */
function eachWord(from: number, to: number, visit: (index: number, mask: number) => void): void {
  if (from >= to) return;
  const first = from >>> 5;
  const last = (to - 1) >>> 5;
  const head = -1 << (from & 31);
  const tail = -1 >>> (31 - ((to - 1) & 31));
  if (first === last) {
    visit(first, head & tail);
    return;
  }
  visit(first, head);
  for (let index = first + 1; index < last; index += 1) visit(index, -1);
  visit(last, tail);
}

/** Both ends inside the bits. */
export function setRange(bits: Bits, from: number, to: number): void {
  eachWord(from, to, (index, mask) => {
    bits[index] = word(bits, index) | mask;
  });
}

/** Both ends inside the bits. */
export function clearRange(bits: Bits, from: number, to: number): void {
  eachWord(from, to, (index, mask) => {
    bits[index] = word(bits, index) & ~mask;
  });
}

export function andInto(target: Bits, other: Bits): void {
  for (let i = 0; i < target.length; i += 1) target[i] = word(target, i) & word(other, i);
}

export function orInto(target: Bits, other: Bits): void {
  for (let i = 0; i < target.length; i += 1) target[i] = word(target, i) | word(other, i);
}

/** target[i] = source[i + by] for every word of the target, zero past the source's end; `target` may be `source`. */
export function shiftDown(target: Bits, source: Bits, by: number): void {
  const words = by >>> 5;
  const bits = by & 31;
  const whole = Math.max(0, Math.min(target.length, source.length - words - (bits === 0 ? 0 : 1)));
  if (bits === 0) target.set(source.subarray(words, words + whole));
  else {
    for (let i = 0; i < whole; i += 1) {
      target[i] = (word(source, i + words) >>> bits) | (word(source, i + words + 1) << (32 - bits));
    }
  }
  const last = bits !== 0 && whole < target.length && whole + words < source.length;
  if (last) target[whole] = word(source, whole + words) >>> bits;
  target.fill(0, whole + (last ? 1 : 0));
}

/**
 * Keeps bit i where bits i … i + length − 1 are all set: doubles the length of the runs known to be whole, log₂(length)
 * passes. `scratch` has the same number of words and is overwritten.
 */
export function keepRuns(bits: Bits, length: number, scratch: Bits): void {
  for (let known = 1; known < length; ) {
    const by = Math.min(known, length - known);
    shiftDown(scratch, bits, by);
    andInto(bits, scratch);
    known += by;
  }
}

/** Calls back with every set bit, ascending. */
export function eachBit(bits: Bits, visit: (index: number) => void): void {
  for (let i = 0; i < bits.length; i += 1) {
    for (let rest = word(bits, i); rest !== 0; rest &= rest - 1) visit(i * 32 + 31 - Math.clz32(rest & -rest));
  }
}

/** One small counter per bit, stored as planes: plane p holds bit p of every counter. */
export class Tally {
  private readonly planes: readonly Bits[];

  /** Each counter counts to `most` without overflow. */
  constructor(length: number, most: number) {
    this.planes = Array.from({ length: 32 - Math.clz32(most) }, () => bitsFor(length));
  }

  /** Adds one to every counter whose bit is set. */
  add(bits: Bits): void {
    for (let i = 0; i < bits.length; i += 1) {
      let carry = word(bits, i);
      for (let p = 0; carry !== 0 && p < this.planes.length; p += 1) {
        const plane = this.planes[p] as Bits;
        const old = word(plane, i);
        plane[i] = old ^ carry;
        carry &= old;
      }
    }
  }

  /** Clears the bits of `target` whose counter is below `need`. */
  keepAtLeast(need: number, target: Bits): void {
    for (let i = 0; i < target.length; i += 1) {
      let above = 0;
      let equal = need >>> this.planes.length === 0 ? -1 : 0;
      for (let p = this.planes.length - 1; p >= 0; p -= 1) {
        const plane = word(this.planes[p] as Bits, i);
        if ((need >>> p) & 1) equal &= plane;
        else {
          above |= equal & plane;
          equal &= ~plane;
        }
      }
      target[i] = word(target, i) & (above | equal);
    }
  }

  at(index: number): number {
    return this.planes.reduce((sum, plane, p) => sum + (hasBit(plane, index) ? 1 << p : 0), 0);
  }
}
