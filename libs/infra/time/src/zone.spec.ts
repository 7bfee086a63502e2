import fc from 'fast-check';
import {
  formatInstant,
  isZone,
  offsetMinAt,
  parseZone,
  stretches,
  TZDB_VERSION,
  toLocalMin,
  toUtcEndMin,
  toUtcMin,
  zoneNames,
} from './index.js';
import { periodsOf } from './zone-table.js';

const minute = (text: string): number => Date.parse(`${text}Z`) / 60_000;
const YEARS = [minute('2010-01-01T00:00'), minute('2040-01-01T00:00')] as const;
const A_DAY = 1440;

/** Any minute, half of the time within a day and a half of one of the zone's transitions. */
const zoneAndMinute = fc.constantFrom(...zoneNames).chain((zone) => {
  const transitions = stretches(zone, ...YEARS).map(({ startMin }) => startMin);
  const near = fc
    .tuple(fc.constantFrom(...transitions), fc.integer({ min: -2160, max: 2160 }))
    .map(([at, by]) => at + by);
  return fc.tuple(fc.constant(zone), fc.oneof(near, fc.integer({ min: YEARS[0], max: YEARS[1] })));
});

/** Every UTC minute at which the wall clock shows the local minute, by looking at all that could. */
const showings = (zone: string, localMin: number): readonly number[] =>
  Array.from({ length: 30 * 60 + 1 }, (_, i) => localMin - 15 * 60 + i).filter((m) => toLocalMin(zone, m) === localMin);

const times = (zone: string, from: string, count: number, stepMin: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => formatInstant(minute(from) + i * stepMin, zone));

describe('the time-zone authority', () => {
  it('knows its release, at least 2026f', () => {
    expect(TZDB_VERSION).toMatch(/^\d{4}[a-z]+$/);
    expect(TZDB_VERSION >= '2026f').toBe(true);
  });

  it('knows zones and their aliases by their exact names only', () => {
    expect(zoneNames.length).toBeGreaterThan(590);
    expect(parseZone('America/New_York')).toBe('America/New_York');
    expect(parseZone('Asia/Calcutta')).toBe('Asia/Calcutta');
    for (const name of ['', 'america/new_york', 'Mars/Olympus', 'constructor', 'UTC+2']) {
      expect(isZone(name)).toBe(false);
      expect(parseZone(name)).toBeUndefined();
      expect(() => offsetMinAt(name, 0)).toThrow(RangeError);
    }
  });

  it('gives an alias the time of its zone', () => {
    const pairs = [
      ['Asia/Calcutta', 'Asia/Kolkata'],
      ['US/Pacific', 'America/Los_Angeles'],
      ['America/Yellowknife', 'America/Edmonton'],
      ['UTC', 'Etc/UTC'],
    ] as const;
    for (const [alias, zone] of pairs) {
      expect(stretches(alias, ...YEARS)).toEqual(stretches(zone, ...YEARS));
    }
  });

  it('keeps Vancouver at UTC−7 after 1 November 2026', () => {
    expect(formatInstant(minute('2026-12-01T16:00'), 'America/Vancouver')).toBe('2026-12-01T09:00:00-07:00');
    expect(toUtcMin('America/Vancouver', minute('2026-12-01T09:00'))).toBe(minute('2026-12-01T16:00'));
    expect(offsetMinAt('America/Vancouver', minute('2025-12-01T16:00'))).toBe(-480);
    expect(times('America/Vancouver', '2026-11-01T08:30', 3, 30)).toEqual([
      '2026-11-01T01:30:00-07:00',
      '2026-11-01T02:00:00-07:00',
      '2026-11-01T02:30:00-07:00',
    ]);
  });

  it('keeps Edmonton and Winnipeg on summer time and Casablanca at UTC+0 in December 2026', () => {
    const at = minute('2026-12-01T12:00');
    const zones = ['America/Edmonton', 'America/Winnipeg', 'Africa/Casablanca'] as const;
    expect(zones.map((zone) => offsetMinAt(zone, at))).toEqual([-360, -300, 0]);
  });

  it('suspends UTC+1 in Casablanca for Ramadan 2026', () => {
    const days = ['2026-02-14', '2026-02-16', '2026-03-21', '2026-03-23'].map((day) => minute(`${day}T12:00`));
    expect(days.map((day) => offsetMinAt('Africa/Casablanca', day))).toEqual([60, 0, 0, 60]);
  });

  it('skips two o’clock in New York on 8 March 2026 and 14 March 2027, moving skipped times an hour on', () => {
    for (const day of ['2026-03-08', '2027-03-14']) {
      expect(times('America/New_York', `${day}T06:30`, 2, 30)).toEqual([
        `${day}T01:30:00-05:00`,
        `${day}T03:00:00-04:00`,
      ]);
      expect(toUtcMin('America/New_York', minute(`${day}T02:30`))).toBe(minute(`${day}T07:30`));
      expect(toUtcEndMin('America/New_York', minute(`${day}T02:30`))).toBe(minute(`${day}T07:30`));
      expect(toUtcEndMin('America/New_York', minute(`${day}T03:00`))).toBe(minute(`${day}T07:00`));
    }
  });

  it('shows one o’clock twice in New York on 1 November 2026 and 7 November 2027, the earlier one first', () => {
    for (const day of ['2026-11-01', '2027-11-07']) {
      expect(times('America/New_York', `${day}T05:30`, 3, 30)).toEqual([
        `${day}T01:30:00-04:00`,
        `${day}T01:00:00-05:00`,
        `${day}T01:30:00-05:00`,
      ]);
      expect(toUtcMin('America/New_York', minute(`${day}T01:30`))).toBe(minute(`${day}T05:30`));
    }
  });

  it('ends a window at the later showing only when it reaches into the repeated hour', () => {
    const end = (time: string) => toUtcEndMin('America/New_York', minute(`2026-11-01T${time}`));
    expect(end('01:00')).toBe(minute('2026-11-01T05:00'));
    expect(end('01:01')).toBe(minute('2026-11-01T06:01'));
    expect(end('01:30')).toBe(minute('2026-11-01T06:30'));
    expect(end('02:00')).toBe(minute('2026-11-01T07:00'));
    expect(end('17:00')).toBe(minute('2026-11-01T22:00'));
  });

  it('moves Lord Howe by thirty minutes', () => {
    const zone = 'Australia/Lord_Howe';
    expect(offsetMinAt(zone, minute('2026-01-01T00:00'))).toBe(660);
    expect(offsetMinAt(zone, minute('2026-07-01T00:00'))).toBe(630);
    expect(toUtcMin(zone, minute('2026-10-04T02:15'))).toBe(toUtcMin(zone, minute('2026-10-04T02:45')));
    expect(toUtcEndMin(zone, minute('2026-04-05T01:45')) - toUtcMin(zone, minute('2026-04-05T01:45'))).toBe(30);
  });

  it('keeps Kathmandu at UTC+5:45', () => {
    expect(formatInstant(minute('2026-12-01T03:15'), 'Asia/Kathmandu')).toBe('2026-12-01T09:00:00+05:45');
  });

  it('applies New York’s rules through 2499 and its last offset after that', () => {
    expect(offsetMinAt('America/New_York', minute('2499-07-01T00:00'))).toBe(-240);
    for (const at of ['2500-07-01T00:00', '3000-01-01T00:00', '5000-07-01T00:00']) {
      expect(offsetMinAt('America/New_York', minute(at))).toBe(-300);
      expect(toUtcMin('America/New_York', minute(at))).toBe(minute(at) + 300);
    }
  });

  it('rounds offsets with seconds, all before 1972, to the nearest minute', () => {
    expect(offsetMinAt('America/New_York', minute('1850-01-01T00:00'))).toBe(-296);
    expect(offsetMinAt('Africa/Monrovia', minute('1971-12-31T00:00'))).toBe(-45);
    expect(offsetMinAt('Africa/Monrovia', minute('1972-01-08T00:00'))).toBe(0);
  });

  it('has periods that follow each other in UTC and on the wall clock', () => {
    const broken = zoneNames.filter((zone) => {
      const { ends, wallEnds, offsets } = periodsOf(zone)!;
      // Transitions lie so far apart that no wall minute is shown more than twice.
      const follows = ends.every(
        (end, i) =>
          i === 0 ||
          (end > ends[i - 1]! && wallEnds[i]! > wallEnds[i - 1]! && end + offsets[i + 1]! > wallEnds[i - 1]!),
      );
      return !follows || offsets.length !== ends.length + 1;
    });
    expect(broken).toEqual([]);
  });

  it('agrees with the runtime’s own data where both are settled', () => {
    const awkward = [
      'Africa/Cairo',
      'Africa/Casablanca',
      'America/New_York',
      'America/Sao_Paulo',
      'America/St_Johns',
      'Antarctica/Troll',
      'Asia/Gaza',
      'Asia/Kathmandu',
      'Asia/Tehran',
      'Australia/Lord_Howe',
      'Europe/Dublin',
      'Europe/Istanbul',
      'Pacific/Apia',
      'Pacific/Chatham',
    ];
    const differing: string[] = [];
    let compared = 0;
    for (const zone of awkward) {
      const oracle = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
      for (let at = minute('1990-01-01T00:00'); at < minute('2025-01-01T00:00'); at += 12_347) {
        const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?$/.exec(oracle.format(at * 60_000)) ?? [];
        const offset = (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
        if (offsetMinAt(zone, at) !== offset) differing.push(`${zone} ${at}`);
        compared += 1;
      }
    }
    expect(differing).toEqual([]);
    expect(compared).toBeGreaterThan(20_000);
  });

  it('returns from wall clock to the same instant outside repeated hours, and to the earlier showing inside', () => {
    fc.assert(
      fc.property(zoneAndMinute, ([zone, utcMin]) => {
        const localMin = toLocalMin(zone, utcMin);
        const back = toUtcMin(zone, localMin);
        expect(toLocalMin(zone, back)).toBe(localMin);
        expect(back).toBe(showings(zone, localMin)[0]);
        if (back !== utcMin) expect(showings(zone, localMin)).toEqual([back, utcMin]);
      }),
      { numRuns: 400 },
    );
  });

  it('returns from an instant to the same wall clock outside skipped hours, and moves on by the gap inside', () => {
    fc.assert(
      fc.property(zoneAndMinute, ([zone, localMin]) => {
        const utcMin = toUtcMin(zone, localMin);
        const shown = showings(zone, localMin);
        if (shown.length > 0) expect(toLocalMin(zone, utcMin)).toBe(localMin);
        else {
          const gap = offsetMinAt(zone, utcMin) - (localMin - utcMin);
          expect(gap).toBeGreaterThan(0);
          expect(toLocalMin(zone, utcMin)).toBe(localMin + gap);
          // The clock before the gap, carried on.
          expect(offsetMinAt(zone, utcMin - A_DAY - gap)).toBe(localMin - utcMin);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('ends windows right after the last showing of the minute before', () => {
    fc.assert(
      fc.property(zoneAndMinute, ([zone, localMin]) => {
        const shown = showings(zone, localMin - 1);
        const expected = shown.length === 2 ? shown[1]! + 1 : toUtcMin(zone, localMin);
        expect(toUtcEndMin(zone, localMin)).toBe(expected);
      }),
      { numRuns: 400 },
    );
  });

  it('cuts a range into stretches of one offset that cover it', () => {
    fc.assert(
      fc.property(zoneAndMinute, fc.integer({ min: 1, max: 400 * A_DAY }), ([zone, from], length) => {
        const parts = stretches(zone, from, from + length);
        expect(parts[0]?.startMin).toBe(from);
        expect(parts.at(-1)?.endMin).toBe(from + length);
        parts.forEach(({ startMin, endMin, offsetMin }, i) => {
          expect(endMin).toBeGreaterThan(startMin);
          if (i > 0) expect(startMin).toBe(parts[i - 1]!.endMin);
          for (const at of [startMin, endMin - 1]) expect(offsetMinAt(zone, at)).toBe(offsetMin);
        });
      }),
    );
    expect(stretches('UTC', 5, 5)).toEqual([]);
  });
});
