import { daysBetween, type LocalDate } from '#infra/time';
import { type AppointmentStatus, appointmentStatuses, holdsTime } from './appointment.js';
import type { LocationId, ServiceId } from './catalogue.js';

export const analyticsLimits = { days: 366 } as const;

/** Days as the wall clock of each visit's own location showed them when it starts, the last one too. */
export interface VisitRange {
  readonly from: LocalDate;
  readonly to: LocalDate;
  readonly locationId?: LocationId | undefined;
}

/** Visits of one day or one service, by the status that they have now. */
export interface VisitCounts {
  readonly visits: Readonly<Record<AppointmentStatus, number>>;
  /** Minutes of those that take place, from start to end. */
  readonly bookedMin: number;
}
export type DayOfVisits = VisitCounts & { readonly date: LocalDate };
export type ServiceVisits = VisitCounts & { readonly serviceId: ServiceId };

/** Nobody in it. What has no visit is left out. */
export interface VisitFigures {
  readonly days: readonly DayOfVisits[];
  readonly services: readonly ServiceVisits[];
}

/** Visits that have the day or the service, and the status, in common. */
export interface CountedVisits {
  readonly date: LocalDate | null;
  readonly serviceId: ServiceId | null;
  readonly status: AppointmentStatus;
  readonly visits: number;
  readonly minutes: number;
}

export const isLegalRange = ({ from, to }: VisitRange): boolean =>
  from <= to && daysBetween(from, to) < analyticsLimits.days;

/**
 * A day is over everywhere 36 hours after it began in UTC, a visit that began on it a day later; what is over is changed
 * no more.
 */
const settledAfterDays = 3;

/** Whether figures until `to` are what they will always be. `today`: in UTC. */
export const isSettled = (to: LocalDate, today: LocalDate): boolean => daysBetween(to, today) > settledAfterDays;

export function figuresOf(rows: readonly CountedVisits[]): VisitFigures {
  return {
    days: byKey(rows, ({ date }) => date).map(([date, counts]) => ({ date, ...counts })),
    services: byKey(rows, ({ serviceId }) => serviceId).map(([serviceId, counts]) => ({ serviceId, ...counts })),
  };
}

/** Keys come in their order; rows that have none belong to another table. */
function byKey<Key extends string>(
  rows: readonly CountedVisits[],
  keyOf: (row: CountedVisits) => Key | null,
): readonly (readonly [Key, VisitCounts])[] {
  const found = new Map<Key, CountedVisits[]>();
  for (const row of rows) {
    const key = keyOf(row);
    if (key === null) continue;
    const known = found.get(key);
    if (known) known.push(row);
    else found.set(key, [row]);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, of]) => [key, countsOf(of)] as const);
}

const countsOf = (rows: readonly CountedVisits[]): VisitCounts => ({
  visits: Object.fromEntries(
    appointmentStatuses.map((status) => [
      status,
      sumOf(
        rows.filter((row) => row.status === status),
        'visits',
      ),
    ]),
  ) as Record<AppointmentStatus, number>,
  bookedMin: sumOf(
    rows.filter(({ status }) => holdsTime(status)),
    'minutes',
  ),
});

const sumOf = (rows: readonly CountedVisits[], what: 'visits' | 'minutes'): number =>
  rows.reduce((sum, row) => sum + row[what], 0);
