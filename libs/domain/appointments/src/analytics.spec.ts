import { addDays, type LocalDate } from '#infra/time';
import { type CountedVisits, figuresOf, isLegalRange, isSettled } from './analytics.js';
import type { ServiceId } from './catalogue.js';

const day = (text: string) => text as LocalDate;
const row = (of: Partial<CountedVisits>): CountedVisits => ({
  date: null,
  serviceId: null,
  status: 'booked',
  visits: 1,
  minutes: 30,
  ...of,
});

describe('figures of visits', () => {
  it('count a cancelled visit and none of its minutes, in the order of days', () => {
    const rows = [
      row({ date: day('2026-12-02'), visits: 3, minutes: 95 }),
      row({ date: day('2026-12-01'), status: 'cancelled', visits: 2, minutes: 60 }),
      row({ date: day('2026-12-02'), status: 'cancelled', visits: 1, minutes: 45 }),
      row({ serviceId: 's-1' as ServiceId, visits: 3, minutes: 95 }),
      row({ serviceId: 's-1' as ServiceId, status: 'cancelled', visits: 3, minutes: 105 }),
    ];
    expect(figuresOf(rows)).toEqual({
      days: [
        { date: '2026-12-01', visits: { booked: 0, cancelled: 2 }, bookedMin: 0 },
        { date: '2026-12-02', visits: { booked: 3, cancelled: 1 }, bookedMin: 95 },
      ],
      services: [{ serviceId: 's-1', visits: { booked: 3, cancelled: 3 }, bookedMin: 95 }],
    });
    expect(figuresOf([])).toEqual({ days: [], services: [] });
  });

  it('are asked for of 366 days at most, the last one counted', () => {
    const from = day('2027-01-01');
    for (const [to, legal] of [
      [from, true],
      [addDays(from, 365), true],
      [addDays(from, 366), false],
      [addDays(from, -1), false],
    ] as const)
      expect([to, isLegalRange({ from, to })]).toEqual([to, legal]);
  });

  it('are settled when the last visit of the last day is over wherever it is', () => {
    expect(isSettled(day('2026-12-01'), day('2026-12-04'))).toBe(false);
    expect(isSettled(day('2026-12-01'), day('2026-12-05'))).toBe(true);
    expect(isSettled(day('2026-12-01'), day('2026-11-30'))).toBe(false);
  });
});
