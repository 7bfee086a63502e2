import fc from 'fast-check';
import { toDate } from '#infra/kernel';
import {
  addDays,
  compareDates,
  dateOfEpochDay,
  dateOfLocalMin,
  daysBetween,
  epochDayOfDate,
  type LocalDate,
  localMinOf,
  minuteOfDayOf,
  parseLocalDate,
  weekdayOf,
} from './index.js';

const DAY_MS = 86_400_000;
const epochDays = fc.integer({ min: -719_162, max: 2_932_896 });
const date = (text: string): LocalDate => parseLocalDate(text)!;

describe('local dates', () => {
  it('are days that exist, written YYYY-MM-DD', () => {
    for (const text of ['2026-12-01', '2024-02-29', '2000-02-29', '0001-01-01', '9999-12-31']) {
      expect(parseLocalDate(text)).toBe(text);
    }
    const wrong = ['2026-02-29', '1900-02-29', '2026-13-01', '2026-00-10', '2026-04-31', '2026-04-00', '0000-12-31'];
    for (const text of [...wrong, '', '26-1-1', '2026-12-1', ' 2026-12-01', '2026-12-01T00:00', '２０２６-12-01']) {
      expect(parseLocalDate(text)).toBeUndefined();
    }
  });

  it('are the days of the Gregorian calendar, leap years and weekdays included', () => {
    fc.assert(
      fc.property(epochDays, (day) => {
        const instant = toDate(day * DAY_MS);
        const text = dateOfEpochDay(day);
        expect(text).toBe(instant.toISOString().slice(0, 10));
        expect(parseLocalDate(text)).toBe(text);
        expect(epochDayOfDate(text)).toBe(day);
        expect(weekdayOf(text)).toBe(instant.getUTCDay() === 0 ? 7 : instant.getUTCDay());
      }),
      { numRuns: 2000 },
    );
  });

  it('end at the years 0001 and 9999', () => {
    expect(() => addDays(date('9999-12-31'), 1)).toThrow(RangeError);
    expect(() => addDays(date('0001-01-01'), -1)).toThrow(RangeError);
    expect(() => addDays(date('2026-01-01'), 0.5)).toThrow(RangeError);
  });

  it('add, subtract and sort like days', () => {
    expect(addDays(date('2026-02-28'), 1)).toBe('2026-03-01');
    expect(addDays(date('2024-12-31'), -366)).toBe('2023-12-31');
    fc.assert(
      fc.property(epochDays, epochDays, (a, b) => {
        const [first, second] = [dateOfEpochDay(a), dateOfEpochDay(b)];
        expect(daysBetween(first, second)).toBe(b - a);
        expect(addDays(first, b - a)).toBe(second);
        expect(Math.sign(compareDates(first, second))).toBe(Math.sign(a - b));
      }),
    );
  });

  it('split local minutes into a day and a minute of it, before 1970 too', () => {
    fc.assert(
      fc.property(epochDays, fc.integer({ min: 0, max: 1439 }), (day, minute) => {
        const local = localMinOf(dateOfEpochDay(day), minute);
        expect(dateOfLocalMin(local)).toBe(dateOfEpochDay(day));
        expect(minuteOfDayOf(local)).toBe(minute);
      }),
    );
    expect(localMinOf(date('2026-12-01'), 1440)).toBe(localMinOf(date('2026-12-02'), 0));
  });
});
