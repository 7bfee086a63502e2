import type { RecordDraft } from './mapping.js';

/** Marks and invisible signs: what compatibility forms carry beyond their letters. */
const dropped = /[\p{M}\p{Cf}]/gu;
/** Words of plain signs with one space between them: only their case is left to do. */
const tidy = /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/;

/**
 * References and memos as they are compared: compatibility forms taken apart, no marks, upper case, runs of white space as
 * one space, none at the ends. Of a normal form it is the same text.
 */
export function normalText(text: string | null): string {
  if (text === null) return '';
  if (tidy.test(text)) return text.toUpperCase();
  const letters = text
    .normalize('NFKD')
    .replaceAll(dropped, '')
    .toUpperCase()
    .normalize('NFKD')
    .replaceAll(dropped, '');
  return letters.replaceAll(/\s+/g, ' ').trim();
}

/** The first letters of a text, never half of one: what lies outside the basic plane counts as one and stays whole. */
export function prefixOf(text: string, letters: number): string {
  let end = 0;
  for (let count = 0; count < letters && end < text.length; count += 1) {
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}

/**
 * What makes a row of a source that has no ids this row: day, amount and texts as written, but not its line and not how
 * its letters are composed. Two rows have the same text only where all of that is equal.
 */
export const rowIdentityText = ({ externalId, date, amountMinor, reference, memo }: RecordDraft): string =>
  JSON.stringify(['row', 1, externalId, date, amountMinor, reference, memo]).normalize('NFC');

/** Different rows of one file that are told apart. */
export const distinctRowsMax = 5_000_000;

/** Counts equal rows of one file, because the nth of them is a payment of its own. */
export class Occurrences {
  private readonly counts = new Map<string, number>();

  constructor(private readonly max: number = distinctRowsMax) {}

  /** 1 for the first row of that key, 2 for the second …; throws RangeError beyond the limit of different keys. */
  next(key: string): number {
    const count = (this.counts.get(key) ?? 0) + 1;
    if (count === 1 && this.counts.size >= this.max) throw new RangeError(`more than ${this.max} different rows`);
    this.counts.set(key, count);
    return count;
  }
}
