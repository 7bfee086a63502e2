import { MINUTES_PER_DAY, stretches, toLocalMin } from '#infra/time';

const midnightOf = (localMin: number): number => Math.floor(localMin / MINUTES_PER_DAY) * MINUTES_PER_DAY;

/** Where a day's steps are counted from: local midnight, or the opening when the window opened later than that. */
const anchorOf = (midnight: number, openedLocalMin: number): number => Math.max(midnight, openedLocalMin);

const stepsFrom = (anchor: number, localMin: number, stepMin: number): number =>
  (((localMin - anchor) % stepMin) + stepMin) % stepMin;

/** No opening: the grid counts from midnight. */
export const FROM_MIDNIGHT = Number.NEGATIVE_INFINITY;

/** True when the wall clock shows a whole number of steps since the anchor. */
export function isOnGrid(zone: string, stepMin: number, openedLocalMin: number, utcMin: number): boolean {
  const localMin = toLocalMin(zone, utcMin);
  return stepsFrom(anchorOf(midnightOf(localMin), openedLocalMin), localMin, stepMin) === 0;
}

/** Visits every minute of [fromMin, toMin) that `isOnGrid`, ascending, without testing the others. */
export function eachGridMinute(
  zone: string,
  stepMin: number,
  openedLocalMin: number,
  fromMin: number,
  toMin: number,
  visit: (utcMin: number) => void,
): void {
  for (const { startMin, endMin, offsetMin } of stretches(zone, fromMin, toMin)) {
    const localEnd = endMin + offsetMin;
    for (let local = startMin + offsetMin; local < localEnd; ) {
      const midnight = midnightOf(local);
      const dayEnd = Math.min(localEnd, midnight + MINUTES_PER_DAY);
      const past = stepsFrom(anchorOf(midnight, openedLocalMin), local, stepMin);
      const first = past === 0 ? local : local + stepMin - past;
      for (let minute = first; minute < dayEnd; minute += stepMin) visit(minute - offsetMin);
      local = dayEnd;
    }
  }
}
