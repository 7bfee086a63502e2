declare const brand: unique symbol;
/** A day of the proleptic Gregorian calendar, `YYYY-MM-DD`, 0001-01-01…9999-12-31. Compares as text. */
export type LocalDate = string & { readonly [brand]: 'local date' };

/** ISO, Monday = 1. */
export type Weekday = 1 | 2 | 3 | 4 | 5 | 6 | 7;

export const MINUTES_PER_DAY = 1440;
const FIRST_DAY = -719_162;
const LAST_DAY = 2_932_896;
const DAYS_PER_ERA = 146_097;
/** From 0000-03-01 to 1970-01-01. */
const EPOCH_SHIFT_DAYS = 719_468;

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

/** Days since 1970-01-01 of any year, month 1…12, day; years count from March so that the leap day is the last. */
function epochDayOf(year: number, month: number, day: number): number {
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_PER_ERA + dayOfEra - EPOCH_SHIFT_DAYS;
}

/** The local date a number of days after 1970-01-01; throws RangeError outside 0001…9999. */
export function dateOfEpochDay(epochDay: number): LocalDate {
  if (!Number.isInteger(epochDay) || epochDay < FIRST_DAY || epochDay > LAST_DAY) {
    throw new RangeError(`no local date: day ${epochDay}`);
  }
  const shifted = epochDay + EPOCH_SHIFT_DAYS;
  const era = Math.floor(shifted / DAYS_PER_ERA);
  const dayOfEra = shifted - era * DAYS_PER_ERA;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}` as LocalDate;
}

/** Days since 1970-01-01. */
export const epochDayOfDate = (date: LocalDate): number =>
  epochDayOf(Number(date.slice(0, 4)), Number(date.slice(5, 7)), Number(date.slice(8, 10)));

/** undefined for anything but an existing day written `YYYY-MM-DD`. */
export function parseLocalDate(text: string): LocalDate | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
  const epochDay = epochDayOfDate(text as LocalDate);
  if (epochDay < FIRST_DAY || epochDay > LAST_DAY) return undefined;
  return dateOfEpochDay(epochDay) === text ? (text as LocalDate) : undefined;
}

export const addDays = (date: LocalDate, days: number): LocalDate => dateOfEpochDay(epochDayOfDate(date) + days);

/** Days from `from` to `to`; negative when `to` is earlier. */
export const daysBetween = (from: LocalDate, to: LocalDate): number => epochDayOfDate(to) - epochDayOfDate(from);

/** 1970-01-01 was a Thursday. */
export const weekdayOfEpochDay = (epochDay: number): Weekday => (((((epochDay + 3) % 7) + 7) % 7) + 1) as Weekday;
export const weekdayOf = (date: LocalDate): Weekday => weekdayOfEpochDay(epochDayOfDate(date));

/** Negative, 0, positive: for sorting. */
export const compareDates = (a: LocalDate, b: LocalDate): number => (a < b ? -1 : a > b ? 1 : 0);

/** Minutes of the wall clock since 1970-01-01T00:00; `minuteOfDay` 1440 is the next day's midnight. */
export const localMinOf = (date: LocalDate, minuteOfDay: number): number =>
  epochDayOfDate(date) * MINUTES_PER_DAY + minuteOfDay;

export const epochDayOfLocalMin = (localMin: number): number => Math.floor(localMin / MINUTES_PER_DAY);
export const dateOfLocalMin = (localMin: number): LocalDate => dateOfEpochDay(epochDayOfLocalMin(localMin));
export const minuteOfDayOf = (localMin: number): number => localMin - epochDayOfLocalMin(localMin) * MINUTES_PER_DAY;
