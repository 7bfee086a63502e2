import {
  dateOfEpochDay,
  epochDayOfLocalMin,
  type LocalDate,
  MINUTES_PER_DAY,
  toLocalMin,
  toUtcEndMin,
  toUtcMin,
  type Weekday,
  weekdayOfEpochDay,
} from '#infra/time';

/** UTC minutes since 1970-01-01T00:00Z, half-open. */
export interface Interval {
  readonly startMin: number;
  readonly endMin: number;
}

/** Part of one local day. */
export interface DayWindow {
  /** Local minute of the day, 0…1439. */
  readonly opens: number;
  /** Local minute of the day, exclusive, 1…1440, after `opens`. */
  readonly closes: number;
}

export interface WeeklyRule extends DayWindow {
  /** ISO, Monday = 1 */
  readonly weekday: Weekday;
}

export interface DatedSchedule {
  readonly validFrom: LocalDate;
  /** Exclusive; null = until further notice. */
  readonly validTo: LocalDate | null;
  readonly rules: readonly WeeklyRule[];
}

/** Replaces the weekly rules on one local date; no windows = closed that day. */
export interface Override {
  readonly date: LocalDate;
  readonly open: readonly DayWindow[];
}

/** The most local days that one call expands. */
export const MAX_SCHEDULE_DAYS = 400;

const isWhole = (minute: number, least: number, most: number): boolean =>
  Number.isInteger(minute) && minute >= least && minute <= most;

/** True for a window that a day can have: whole minutes, opening before closing, not across midnight. */
export const isDayWindow = ({ opens, closes }: DayWindow): boolean =>
  isWhole(opens, 0, MINUTES_PER_DAY - 1) && isWhole(closes, opens + 1, MINUTES_PER_DAY);

/** The rules of every schedule valid on the date, or its overrides' windows when it has any. */
function windowsOfDay(
  epochDay: number,
  schedules: readonly DatedSchedule[],
  overrides: ReadonlyMap<LocalDate, readonly DayWindow[]>,
): readonly DayWindow[] {
  const date = dateOfEpochDay(epochDay);
  const overridden = overrides.get(date);
  if (overridden !== undefined) return overridden;
  const weekday = weekdayOfEpochDay(epochDay);
  return schedules
    .filter(({ validFrom, validTo }) => validFrom <= date && (validTo === null || date < validTo))
    .flatMap(({ rules }) => rules.filter((rule) => rule.weekday === weekday));
}

function byDate(overrides: readonly Override[]): ReadonlyMap<LocalDate, readonly DayWindow[]> {
  const byDay = new Map<LocalDate, readonly DayWindow[]>();
  for (const { date, open } of overrides) byDay.set(date, [...(byDay.get(date) ?? []), ...open]);
  return byDay;
}

/** Sorted and joined where they touch or overlap; empty ones left out. */
export function merged(intervals: readonly Interval[]): readonly Interval[] {
  const result: Interval[] = [];
  for (const interval of [...intervals].sort((a, b) => a.startMin - b.startMin)) {
    const last = result.at(-1);
    if (interval.endMin <= interval.startMin) continue;
    if (last === undefined || interval.startMin > last.endMin) result.push(interval);
    else result[result.length - 1] = { startMin: last.startMin, endMin: Math.max(last.endMin, interval.endMin) };
  }
  return result;
}

/**
 * When a resource is open, in UTC minutes: every window that has a minute in [fromMin, toMin), whole (not cut at the
 * range's ends), sorted, joined where they touch. On a night that skips an hour a skipped time moves forward by the gap;
 * on a night that repeats one, a window starts at the earlier showing and a window that reaches into the repeated hour
 * ends at its later showing. Throws RangeError on an unknown zone, a window no day can have, or more than
 * `MAX_SCHEDULE_DAYS` days.
 */
export function openWindows(
  zone: string,
  schedules: readonly DatedSchedule[],
  overrides: readonly Override[],
  fromMin: number,
  toMin: number,
): readonly Interval[] {
  // A day more on both sides: a skipped hour at midnight moves a window into the next day.
  const firstDay = epochDayOfLocalMin(toLocalMin(zone, fromMin)) - 1;
  const lastDay = epochDayOfLocalMin(toLocalMin(zone, toMin)) + 1;
  if (lastDay - firstDay > MAX_SCHEDULE_DAYS) throw new RangeError(`more than ${MAX_SCHEDULE_DAYS} days of schedule`);
  const overridden = byDate(overrides);
  const windows: Interval[] = [];
  for (let day = firstDay; day <= lastDay; day += 1) {
    for (const window of windowsOfDay(day, schedules, overridden)) {
      if (!isDayWindow(window)) throw new RangeError(`no window of a day: ${window.opens}–${window.closes}`);
      const startMin = toUtcMin(zone, day * MINUTES_PER_DAY + window.opens);
      const endMin = toUtcEndMin(zone, day * MINUTES_PER_DAY + window.closes);
      windows.push({ startMin, endMin });
    }
  }
  return merged(windows).filter(({ startMin, endMin }) => startMin < toMin && endMin > fromMin);
}
