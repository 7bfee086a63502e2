import fc from 'fast-check';
import { toDate } from '#infra/kernel';
import {
  formatInstant,
  instantOfMinute,
  localDateOf,
  minuteOfInstant,
  parseInstant,
  wallClock,
  zoneNames,
} from './index.js';

const minutes = fc.integer({
  min: minuteOfInstant(Date.parse('1972-02-01')),
  max: minuteOfInstant(Date.parse('2200-01-01')),
});

describe('instants', () => {
  it('are written with the zone’s own offset', () => {
    const at = minuteOfInstant(Date.parse('2026-12-01T16:00:00Z'));
    expect(formatInstant(at, 'America/Vancouver')).toBe('2026-12-01T09:00:00-07:00');
    expect(formatInstant(at, 'Asia/Kathmandu')).toBe('2026-12-01T21:45:00+05:45');
    expect(formatInstant(at, 'Pacific/Kiritimati')).toBe('2026-12-02T06:00:00+14:00');
    expect(formatInstant(at, 'UTC')).toBe('2026-12-01T16:00:00+00:00');
  });

  it('read back what was written, in every zone', () => {
    fc.assert(
      fc.property(fc.constantFrom(...zoneNames), minutes, (zone, at) => {
        const text = formatInstant(at, zone);
        expect(parseInstant(text)).toBe(instantOfMinute(at));
        expect(parseInstant(text)).toBe(Date.parse(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('read RFC 3339 to the millisecond, whatever the offset', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (ms) => {
        expect(parseInstant(toDate(ms).toISOString())).toBe(ms);
      }),
    );
    expect(parseInstant('2026-12-01T09:00:00.123456789-07:00')).toBe(Date.parse('2026-12-01T16:00:00.123Z'));
    expect(parseInstant('2026-12-01t09:00:00.5z')).toBe(Date.parse('2026-12-01T09:00:00.500Z'));
    expect(parseInstant('1969-12-31T23:59:59.999Z')).toBe(-1);
    expect(parseInstant('2026-12-01T00:00:00+23:59')).toBe(Date.parse('2026-11-30T00:01:00Z'));
  });

  it('refuse what is malformed, does not exist or lacks its offset', () => {
    const wrong = [
      '',
      '2026-12-01',
      '2026-12-01T09:00:00',
      '2026-12-01T09:00Z',
      '2026-12-01 09:00:00Z',
      '2026-02-30T09:00:00Z',
      '2026-12-01T24:00:00Z',
      '2026-12-01T09:60:00Z',
      '2016-12-31T23:59:60Z',
      '2026-12-01T09:00:00.Z',
      '2026-12-01T09:00:00.1234567890Z',
      '2026-12-01T09:00:00-0700',
      '2026-12-01T09:00:00-24:00',
      '2026-12-01T09:00:00-07:60',
      '+002026-12-01T09:00:00Z',
      '2026-12-01T09:00:00Z\n',
      ' 2026-12-01T09:00:00Z',
    ];
    for (const text of wrong) expect({ text, instant: parseInstant(text) }).toEqual({ text, instant: undefined });
  });

  it('belong to the minute that they lie in, before 1970 too', () => {
    expect([-60_001, -60_000, -1, 0, 59_999, 60_000].map(minuteOfInstant)).toEqual([-2, -1, -1, 0, 0, 1]);
  });

  it('show the local calendar and clock', () => {
    const at = minuteOfInstant(Date.parse('2026-11-01T05:30:00Z'));
    expect(wallClock(at, 'America/New_York')).toEqual({
      date: '2026-11-01',
      minuteOfDay: 90,
      time: '01:30',
      offsetMin: -240,
    });
    expect(wallClock(at + 60, 'America/New_York')).toMatchObject({ time: '01:30', offsetMin: -300 });
    expect(localDateOf(at, 'Pacific/Honolulu')).toBe('2026-10-31');
  });
});
