import type { Instant } from '#infra/kernel';
import { dateOfLocalMin, epochDayOfDate, type LocalDate, minuteOfDayOf, parseLocalDate } from './local-date.js';
import { offsetMinAt } from './zone.js';

const MS_PER_MINUTE = 60_000;
const MS_PER_DAY = 86_400_000;
/** Fractions may be longer than a millisecond; digits beyond the ninth are refused. */
const rfc3339 = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

const two = (value: number): string => String(value).padStart(2, '0');
const clock = (minutes: number): string => `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;

/** The UTC minute that an instant lies in. */
export const minuteOfInstant = (instant: Instant): number => Math.floor(instant / MS_PER_MINUTE);
/** The first instant of a UTC minute. */
export const instantOfMinute = (utcMin: number): Instant => utcMin * MS_PER_MINUTE;

/** What calendar and clock on the wall show. */
export interface WallClock {
  readonly date: LocalDate;
  /** 0…1439 */
  readonly minuteOfDay: number;
  /** `HH:MM` */
  readonly time: string;
  /** Minutes east of UTC. */
  readonly offsetMin: number;
}

export function wallClock(utcMin: number, zone: string): WallClock {
  const offsetMin = offsetMinAt(zone, utcMin);
  const minuteOfDay = minuteOfDayOf(utcMin + offsetMin);
  return { date: dateOfLocalMin(utcMin + offsetMin), minuteOfDay, time: clock(minuteOfDay), offsetMin };
}

export const localDateOf = (utcMin: number, zone: string): LocalDate =>
  dateOfLocalMin(utcMin + offsetMinAt(zone, utcMin));

/** RFC 3339 in the zone's own offset, whole minutes: `2026-12-01T09:00:00-07:00`. */
export function formatInstant(utcMin: number, zone: string): string {
  const { date, time, offsetMin } = wallClock(utcMin, zone);
  return `${date}T${time}:00${offsetMin < 0 ? '-' : '+'}${clock(Math.abs(offsetMin))}`;
}

/**
 * RFC 3339 with its obligatory offset → milliseconds since the epoch, fractions cut to the millisecond. undefined for
 * anything else: days that do not exist, 24:00, leap seconds, a missing offset.
 */
export function parseInstant(text: string): Instant | undefined {
  const parts = rfc3339.exec(text);
  const date = parts?.[1] === undefined ? undefined : parseLocalDate(parts[1]);
  if (parts === null || date === undefined) return undefined;
  const [hour, minute, second] = [Number(parts[2]), Number(parts[3]), Number(parts[4])];
  const [offsetHour, offsetMinute] = [Number(parts[7] ?? 0), Number(parts[8] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined;
  const ms = Number((parts[5] ?? '').padEnd(3, '0').slice(0, 3));
  const offsetMin = (parts[6] === '-' ? -1 : 1) * (offsetHour * 60 + offsetMinute);
  return epochDayOfDate(date) * MS_PER_DAY + ((hour * 60 + minute - offsetMin) * 60 + second) * 1000 + ms;
}
