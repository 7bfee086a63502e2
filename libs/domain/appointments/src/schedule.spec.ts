import fc from 'fast-check';
import {
  addDays,
  dateOfEpochDay,
  formatInstant,
  type LocalDate,
  minuteOfDayOf,
  offsetMinAt,
  parseLocalDate,
  stretches,
  toLocalMin,
  type Weekday,
  zoneNames,
} from '#infra/time';
import { type DatedSchedule, type DayWindow, type Interval, merged, openWindows } from './schedule.js';

const NEW_YORK = 'America/New_York';
const date = (text: string): LocalDate => parseLocalDate(text)!;
const minute = (text: string): number => Date.parse(`${text}Z`) / 60_000;
const clock = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
const window = (text: string): DayWindow => ({ opens: clock(text.slice(0, 5)), closes: clock(text.slice(6)) });
const weekdays = [1, 2, 3, 4, 5, 6, 7] as const satisfies readonly Weekday[];

const daily = (...windows: readonly string[]): readonly DatedSchedule[] => [
  {
    validFrom: date('2000-01-01'),
    validTo: null,
    rules: windows.flatMap((text) => weekdays.map((weekday) => ({ weekday, ...window(text) }))),
  },
];

const written = (zone: string, intervals: readonly Interval[]): readonly string[] =>
  intervals.map(({ startMin, endMin }) => `${formatInstant(startMin, zone)} ${formatInstant(endMin, zone)}`);

/** The windows of one UTC day and a bit, as a person in the zone reads them. */
const onDay = (zone: string, day: string, ...windows: readonly string[]): readonly string[] => {
  const from = minute(`${day}T12:00`);
  const intervals = openWindows(zone, daily(...windows), [], from - 1440, from + 1440);
  return written(zone, intervals).filter((text) => text.startsWith(day));
};

describe('opening windows', () => {
  it('start an hour later by UTC where New York skips two o’clock, 8 March 2026 and 14 March 2027', () => {
    for (const day of ['2026-03-08', '2027-03-14']) {
      expect(onDay(NEW_YORK, day, '09:00-17:00')).toEqual([`${day}T09:00:00-04:00 ${day}T17:00:00-04:00`]);
      expect(onDay(NEW_YORK, day, '01:00-05:00')).toEqual([`${day}T01:00:00-05:00 ${day}T05:00:00-04:00`]);
      expect(onDay(NEW_YORK, day, '02:30-05:00')).toEqual([`${day}T03:30:00-04:00 ${day}T05:00:00-04:00`]);
      expect(onDay(NEW_YORK, day, '01:00-02:30')).toEqual([`${day}T01:00:00-05:00 ${day}T03:30:00-04:00`]);
      expect(onDay(NEW_YORK, day, '02:00-03:00')).toEqual([]);
      expect(onDay(NEW_YORK, day, '02:15-03:15')).toEqual([]);
    }
  });

  it('hold both showings of one o’clock in New York, 1 November 2026 and 7 November 2027', () => {
    for (const day of ['2026-11-01', '2027-11-07']) {
      expect(onDay(NEW_YORK, day, '09:00-17:00')).toEqual([`${day}T09:00:00-05:00 ${day}T17:00:00-05:00`]);
      expect(onDay(NEW_YORK, day, '00:00-01:00')).toEqual([`${day}T00:00:00-04:00 ${day}T01:00:00-04:00`]);
      expect(onDay(NEW_YORK, day, '01:00-02:00')).toEqual([`${day}T01:00:00-04:00 ${day}T02:00:00-05:00`]);
      expect(onDay(NEW_YORK, day, '00:30-01:30')).toEqual([`${day}T00:30:00-04:00 ${day}T01:30:00-05:00`]);
      expect(onDay(NEW_YORK, day, '01:30-06:00')).toEqual([`${day}T01:30:00-04:00 ${day}T06:00:00-05:00`]);
      expect(onDay(NEW_YORK, day, '02:00-06:00')).toEqual([`${day}T02:00:00-05:00 ${day}T06:00:00-05:00`]);
    }
  });

  it('stand at UTC−7 in Vancouver on 1 December 2026', () => {
    expect(onDay('America/Vancouver', '2026-12-01', '09:00-17:00')).toEqual([
      '2026-12-01T09:00:00-07:00 2026-12-01T17:00:00-07:00',
    ]);
    const [opening] = openWindows(
      'America/Vancouver',
      daily('09:00-17:00'),
      [],
      minute('2026-12-01T16:00'),
      minute('2026-12-01T17:00'),
    );
    expect(opening?.startMin).toBe(minute('2026-12-01T16:00'));
  });

  it('last 23 and 25 hours on those days in New York when the door never closes', () => {
    const hours = (day: string) => {
      const only = [{ validFrom: date(day), validTo: addDays(date(day), 1), rules: daily('00:00-24:00')[0]!.rules }];
      const [open] = openWindows(NEW_YORK, only, [], minute(`${day}T00:00`), minute(`${day}T23:59`));
      return (open!.endMin - open!.startMin) / 60;
    };
    expect(['2026-03-08', '2026-03-09', '2026-11-01'].map(hours)).toEqual([23, 24, 25]);
  });

  it('follow the wall clock in every zone on every day of 2024 to 2030', () => {
    const texts = ['00:15-04:45', '09:00-17:00', '21:00-23:45'];
    const windows = texts.map(window);
    const [from, to] = [minute('2024-01-01T00:00'), minute('2031-01-01T00:00')];
    const different = new Map(zoneNames.map((zone) => [JSON.stringify(stretches(zone, from, to)), zone]));
    const wrong: string[] = [];
    let checked = 0;

    /** The wall minutes that the zone's clock skips around an interval, by how much it jumps. */
    const skips = (zone: string, { startMin, endMin }: Interval) =>
      stretches(zone, startMin - 1440, endMin + 1440).flatMap(({ startMin: at, offsetMin }, i, parts) => {
        const before = parts[i - 1]?.offsetMin ?? offsetMin;
        return offsetMin > before ? [{ first: at + before, gap: offsetMin - before }] : [];
      });
    /** True for the rule's minute of a day, or for that minute moved on by the gap when the clock skips it. */
    const follows = (zone: string, open: Interval, localMin: number, rule: (hours: DayWindow) => number): boolean => {
      const isRule = (local: number) => windows.some((hours) => rule(hours) === minuteOfDayOf(local));
      return (
        isRule(localMin) ||
        skips(zone, open).some(({ first, gap }) => {
          const meant = localMin - gap;
          return isRule(meant) && meant >= first && meant < first + gap;
        })
      );
    };
    const check = (zone: string, open: Interval): boolean => {
      const [opens, last] = [toLocalMin(zone, open.startMin), toLocalMin(zone, open.endMin - 1)];
      const rule = windows.find((hours) => hours.opens === minuteOfDayOf(opens));
      // Total minutes are the rule's, less a skipped hour, plus a repeated one.
      const shift = offsetMinAt(zone, open.startMin) - offsetMinAt(zone, open.endMin - 1);
      const total = rule !== undefined && open.endMin - open.startMin === rule.closes - rule.opens + shift;
      if (total && minuteOfDayOf(last) === rule.closes - 1) return true;
      const opensRight = follows(zone, open, opens, (hours) => hours.opens);
      return skips(zone, open).length > 0 && opensRight && follows(zone, open, last, (hours) => hours.closes - 1);
    };

    for (const zone of different.values()) {
      let found = 0;
      for (let start = from; start < to; start += 365 * 1440) {
        const end = Math.min(to, start + 365 * 1440);
        const opens = openWindows(zone, daily(...texts), [], start, end).filter(
          ({ startMin }) => startMin >= start && startMin < end,
        );
        found += opens.length;
        for (const open of opens) if (!check(zone, open)) wrong.push(`${zone} ${written(zone, [open])}`);
      }
      checked += found;
      // One a year may be joined to the next day's where the clock skips from 23:00 to midnight; one may cross each end.
      if (found > 3 * 2557 + 1 || found < 3 * 2557 - 8) wrong.push(`${zone} ${found} windows`);
    }
    expect(wrong).toEqual([]);
    expect(checked).toBeGreaterThan(different.size * 7600);
  });

  it('come from the schedule that is valid on the local date', () => {
    const schedules: readonly DatedSchedule[] = [
      { ...daily('09:00-12:00')[0]!, validTo: date('2026-06-10') },
      { ...daily('13:00-15:00')[0]!, validFrom: date('2026-06-10') },
    ];
    const found = openWindows('Asia/Tokyo', schedules, [], minute('2026-06-08T15:00'), minute('2026-06-10T15:00'));
    expect(written('Asia/Tokyo', found)).toEqual([
      '2026-06-09T09:00:00+09:00 2026-06-09T12:00:00+09:00',
      '2026-06-10T13:00:00+09:00 2026-06-10T15:00:00+09:00',
    ]);
  });

  it('follow the weekday of the local date, not of UTC', () => {
    const monday = [
      { validFrom: date('2026-01-01'), validTo: null, rules: [{ weekday: 1 as const, ...window('08:00-10:00') }] },
    ];
    const found = openWindows('Pacific/Auckland', monday, [], minute('2026-06-01T00:00'), minute('2026-06-15T00:00'));
    expect(written('Pacific/Auckland', found)).toEqual([
      '2026-06-08T08:00:00+12:00 2026-06-08T10:00:00+12:00',
      '2026-06-15T08:00:00+12:00 2026-06-15T10:00:00+12:00',
    ]);
  });

  it('give way to overrides: closed on one day, other hours on the next', () => {
    const overrides = [
      { date: date('2026-06-02'), open: [] },
      { date: date('2026-06-03'), open: [window('10:00-11:00'), window('18:00-20:00')] },
    ];
    const found = openWindows(
      'UTC',
      daily('09:00-17:00'),
      overrides,
      minute('2026-06-01T00:00'),
      minute('2026-06-04T00:00'),
    );
    expect(written('UTC', found)).toEqual([
      '2026-06-01T09:00:00+00:00 2026-06-01T17:00:00+00:00',
      '2026-06-03T10:00:00+00:00 2026-06-03T11:00:00+00:00',
      '2026-06-03T18:00:00+00:00 2026-06-03T20:00:00+00:00',
    ]);
  });

  it('join where they touch, across midnight too, and are not cut at the range', () => {
    const found = openWindows(
      'UTC',
      daily('00:00-02:00', '20:00-24:00', '21:00-22:00'),
      [],
      minute('2026-06-02T01:00'),
      minute('2026-06-02T21:00'),
    );
    expect(written('UTC', found)).toEqual([
      '2026-06-01T20:00:00+00:00 2026-06-02T02:00:00+00:00',
      '2026-06-02T20:00:00+00:00 2026-06-03T02:00:00+00:00',
    ]);
  });

  it('refuse windows that no day has, unknown zones and endless ranges', () => {
    const override = (opens: number, closes: number) => () =>
      openWindows('UTC', [], [{ date: dateOfEpochDay(0), open: [{ opens, closes }] }], 0, 1440);
    for (const [opens, closes] of [
      [600, 600],
      [600, 540],
      [-1, 60],
      [1440, 1441],
      [0, 1441],
      [0.5, 60],
      [0, Number.NaN],
    ] as const) {
      expect(override(opens, closes)).toThrow(RangeError);
    }
    expect(override(0, 1440)).not.toThrow();
    expect(() => openWindows('Mars/Olympus', [], [], 0, 1440)).toThrow(RangeError);
    expect(() => openWindows('UTC', [], [], 0, 401 * 1440)).toThrow(RangeError);
  });

  it('are the same minutes however the range is split', () => {
    const zones = fc.constantFrom(NEW_YORK, 'Australia/Lord_Howe', 'Africa/Cairo', 'America/Nuuk', 'Atlantic/Azores');
    const dayWindow = fc
      .tuple(fc.integer({ min: 0, max: 1439 }), fc.integer({ min: 1, max: 1440 }))
      .map(([a, b]) => ({ opens: Math.min(a, b - 1), closes: Math.max(a + 1, b) }));
    const rule = fc.tuple(fc.constantFrom(...weekdays), dayWindow).map(([weekday, hours]) => ({ weekday, ...hours }));
    const start = fc.integer({ min: minute('2026-01-01T00:00'), max: minute('2028-01-01T00:00') });
    const length = fc.integer({ min: 1, max: 20 * 1440 });
    fc.assert(
      fc.property(zones, fc.array(rule, { maxLength: 12 }), start, length, length, (zone, rules, a, first, second) => {
        const schedules = [{ validFrom: date('2000-01-01'), validTo: null, rules }];
        const cut = (from: number, to: number) =>
          openWindows(zone, schedules, [], from, to).map(({ startMin, endMin }) => ({
            startMin: Math.max(from, startMin),
            endMin: Math.min(to, endMin),
          }));
        const [b, c] = [a + first, a + first + second];
        expect(merged([...cut(a, b), ...cut(b, c)])).toEqual(cut(a, c));
      }),
      { numRuns: 300 },
    );
  });
});
