import { type Periods, periodsOf } from './zone-table.js';

declare const brand: unique symbol;
/** An IANA name that the table knows, as given: aliases stay as they are. */
export type Zone = string & { readonly [brand]: 'zone' };

/** True for a name or alias of the table, in its exact case. */
export const isZone = (name: string): name is Zone => periodsOf(name) !== undefined;

export const parseZone = (text: string): Zone | undefined => (isZone(text) ? text : undefined);

function known(zone: string): Periods {
  const periods = periodsOf(zone);
  if (periods === undefined) throw new RangeError(`not a time zone: ${zone}`);
  return periods;
}

/** Number of ends that are <= the minute, which is the index of its period. */
function periodAt(ends: Int32Array, minute: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ends[middle] ?? 0) <= minute) low = middle + 1;
    else high = middle;
  }
  return low;
}

const offsetOf = (periods: Periods, index: number): number => periods.offsets[index] ?? 0;

/** Minutes east of UTC at a UTC minute. */
export function offsetMinAt(zone: string, utcMin: number): number {
  const periods = known(zone);
  return offsetOf(periods, periodAt(periods.ends, utcMin));
}

/** UTC minutes since 1970-01-01T00:00Z → minutes of the wall clock since 1970-01-01T00:00 there. */
export const toLocalMin = (zone: string, utcMin: number): number => utcMin + offsetMinAt(zone, utcMin);

/** The later of the two instants at which a repeated wall minute is shown; undefined when it is not repeated. */
function laterUtcMin(periods: Periods, localMin: number): number | undefined {
  const index = periodAt(periods.wallEnds, localMin);
  const end = periods.ends[index];
  const later = localMin - offsetOf(periods, index + 1);
  return end !== undefined && later >= end ? later : undefined;
}

function compatible(periods: Periods, localMin: number): number {
  const index = periodAt(periods.wallEnds, localMin);
  const utcMin = localMin - offsetOf(periods, index);
  const skipped = index > 0 && utcMin < (periods.ends[index - 1] ?? 0);
  return skipped ? localMin - offsetOf(periods, index - 1) : utcMin;
}

/** Wall → UTC, Temporal's `compatible`: a skipped minute moves forward by the gap, a repeated one is the earlier. */
export const toUtcMin = (zone: string, localMin: number): number => compatible(known(zone), localMin);

/**
 * Wall → UTC for the exclusive end of a window: right after the last showing of the minute before it, so that a window
 * that reaches into a repeated hour ends at its later showing and one that ends where the hour first begins does not.
 */
export function toUtcEndMin(zone: string, localMin: number): number {
  const periods = known(zone);
  const later = laterUtcMin(periods, localMin - 1);
  return later === undefined ? compatible(periods, localMin) : later + 1;
}

/** A stretch of UTC minutes, half-open, on which the zone's offset does not change. */
export interface Stretch {
  readonly startMin: number;
  readonly endMin: number;
  readonly offsetMin: number;
}

/** Cuts [fromMin, toMin) at the zone's transitions. */
export function stretches(zone: string, fromMin: number, toMin: number): readonly Stretch[] {
  const periods = known(zone);
  const result: Stretch[] = [];
  let startMin = fromMin;
  for (let index = periodAt(periods.ends, fromMin); startMin < toMin; index += 1) {
    const endMin = Math.min(toMin, periods.ends[index] ?? toMin);
    result.push({ startMin, endMin, offsetMin: offsetOf(periods, index) });
    startMin = endMin;
  }
  return result;
}
