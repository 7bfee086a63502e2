import { addMinor } from '#infra/kernel';
import type { LadderResult, Matchable } from './ladder.js';

export interface Totals {
  readonly count: number;
  readonly sumMinor: number;
}

/**
 * Control totals of one currency, kept while rows pass by. What comes in and what goes out are added up apart, so that the
 * sum is exact and the same in any order; beyond ±2^53−1 either of them throws MoneyOverflow.
 */
export class TotalsCounter {
  private count = 0;
  private incoming = 0;
  private outgoing = 0;

  add(amountMinor: number): void {
    if (amountMinor < 0) this.outgoing = addMinor(this.outgoing, amountMinor);
    else this.incoming = addMinor(this.incoming, amountMinor);
    this.count += 1;
  }

  totals(): Totals {
    return { count: this.count, sumMinor: addMinor(this.incoming, this.outgoing) };
  }
}

/** One side's money in one currency. */
export interface SideBooks {
  readonly amountsMinor: number;
  readonly allocatedMinor: number;
  readonly openMinor: number;
}
export interface CurrencyBooks {
  readonly currency: string;
  readonly left: SideBooks;
  readonly right: SideBooks;
}

/** Which law is broken: a side's own (allocated + open = amounts), or that both sides allocate the same. */
export interface Imbalance {
  readonly currency: string;
  readonly where: 'left' | 'right' | 'between';
  readonly expectedMinor: number;
  readonly foundMinor: number;
}

/** Empty where every minor unit of every record is allocated once or open. */
export function imbalancesOf(books: readonly CurrencyBooks[]): readonly Imbalance[] {
  return books.flatMap(({ currency, left, right }) => {
    const laws = [
      { where: 'left', expectedMinor: left.amountsMinor, foundMinor: addMinor(left.allocatedMinor, left.openMinor) },
      {
        where: 'right',
        expectedMinor: right.amountsMinor,
        foundMinor: addMinor(right.allocatedMinor, right.openMinor),
      },
      { where: 'between', expectedMinor: left.allocatedMinor, foundMinor: right.allocatedMinor },
    ] as const;
    return laws.filter((law) => law.expectedMinor !== law.foundMinor).map((law) => ({ currency, ...law }));
  });
}

export const conserves = (books: readonly CurrencyBooks[]): boolean => imbalancesOf(books).length === 0;

/** The books of both sides after a ladder, by currency. */
export function booksOf(
  left: readonly Matchable[],
  right: readonly Matchable[],
  { matches, openLeft, openRight }: LadderResult,
): readonly CurrencyBooks[] {
  const lefts = new SideCounter(left);
  const rights = new SideCounter(right);
  for (const { leftIndex, rightIndex, allocatedMinor } of matches) {
    lefts.match(leftIndex, allocatedMinor);
    rights.match(rightIndex, allocatedMinor);
  }
  for (const index of openLeft) lefts.leaveOpen(index);
  for (const index of openRight) rights.leaveOpen(index);
  const currencies = [...new Set([...lefts.currencies(), ...rights.currencies()])].sort();
  return currencies.map((currency) => ({ currency, left: lefts.books(currency), right: rights.books(currency) }));
}

class SideCounter {
  private readonly byCurrency = new Map<string, Record<'amounts' | 'allocated' | 'open', TotalsCounter>>();

  constructor(private readonly records: readonly Matchable[]) {
    for (const { currency, amountMinor } of records) this.of(currency).amounts.add(amountMinor);
  }

  match(index: number, allocatedMinor: number): void {
    const { currency, amountMinor } = this.at(index);
    this.of(currency).allocated.add(allocatedMinor);
    this.of(currency).open.add(addMinor(amountMinor, -allocatedMinor));
  }

  leaveOpen(index: number): void {
    const { currency, amountMinor } = this.at(index);
    this.of(currency).open.add(amountMinor);
  }

  currencies = (): Iterable<string> => this.byCurrency.keys();

  books(currency: string): SideBooks {
    const { amounts, allocated, open } = this.of(currency);
    return {
      amountsMinor: amounts.totals().sumMinor,
      allocatedMinor: allocated.totals().sumMinor,
      openMinor: open.totals().sumMinor,
    };
  }

  private of(currency: string): Record<'amounts' | 'allocated' | 'open', TotalsCounter> {
    const known = this.byCurrency.get(currency);
    if (known !== undefined) return known;
    const fresh = { amounts: new TotalsCounter(), allocated: new TotalsCounter(), open: new TotalsCounter() };
    this.byCurrency.set(currency, fresh);
    return fresh;
  }

  private at(index: number): Matchable {
    const record = this.records[index];
    if (record === undefined) throw new RangeError(`no record at ${index}`);
    return record;
  }
}
