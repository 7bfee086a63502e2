import { daysBetween, type LocalDate } from '#infra/time';
import type { SourceId, SourceKind } from './source.js';

export const takingsLimits = { days: 366, sources: 100 } as const;

/** Business days as the sources' files name them, the last one too. */
export interface TakingsRange {
  readonly from: LocalDate;
  readonly to: LocalDate;
  readonly sourceId?: SourceId | undefined;
}

/** What a source's records of one day say together. */
export interface DayOfTakings {
  readonly date: LocalDate;
  readonly currency: string;
  readonly records: number;
  readonly sumMinor: number;
}

/**
 * Each source by itself: two sources speak of the same money, so their sums are never added up. Days without a record are
 * left out.
 */
export interface SourceTakings {
  readonly sourceId: SourceId;
  readonly kind: SourceKind;
  readonly days: readonly DayOfTakings[];
}

export type SourceDay = DayOfTakings & { readonly sourceId: SourceId };

export const isLegalRange = ({ from, to }: TakingsRange): boolean =>
  from <= to && daysBetween(from, to) < takingsLimits.days;

/** By source, in the order of the sources; the days in theirs. */
export function takingsOf(
  sources: readonly Omit<SourceTakings, 'days'>[],
  days: readonly SourceDay[],
): readonly SourceTakings[] {
  const bySource = Map.groupBy(days, ({ sourceId }) => sourceId);
  return sources.map(({ sourceId, kind }) => ({
    sourceId,
    kind,
    days: (bySource.get(sourceId) ?? []).map(({ sourceId: _, ...day }) => day),
  }));
}
