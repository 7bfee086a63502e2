import { z } from 'zod';
import { appointmentStatuses, type VisitCounts, type VisitFigures, type VisitRange } from '#domain/appointments';
import { type SourceTakings, sourceKinds, type TakingsRange } from '#domain/reconciliation';
import { locationId, serviceId } from '../appointments/catalogue.dto.js';
import { localDate, money } from '../edge/index.js';
import { sourceId } from '../reconciliation/reconciliation.dto.js';

const range = {
  from: localDate,
  to: localDate.meta({ description: 'the last day that counts; at most 366 days in all' }),
};
export const visitFiguresQuery = z.strictObject({ ...range, locationId: locationId.optional() });
export const takingsQuery = z.strictObject({ ...range, sourceId: sourceId.optional() });

const count = z.int().min(0);
const counts = {
  visits: z
    .record(z.enum(appointmentStatuses), count)
    .meta({ description: 'visits that start on the day, by the status that they have now' }),
  bookedMin: count.meta({ description: 'minutes of those that are booked, from start to end' }),
};
const leftOut = { description: 'days without any are left out' };
export const visitFigures = z.strictObject({
  ...range,
  days: z.array(z.strictObject({ date: localDate, ...counts })).meta(leftOut),
  services: z.array(z.strictObject({ serviceId, ...counts })),
});

export const takings = z.strictObject({
  ...range,
  sources: z.array(
    z.strictObject({
      sourceId,
      kind: z.enum(sourceKinds),
      days: z.array(z.strictObject({ date: localDate, records: count, sum: money })).meta(leftOut),
    }),
  ),
});

const presentCounts = ({ visits, bookedMin }: VisitCounts) => ({ visits, bookedMin });

export const presentVisits = ({ from, to }: VisitRange, { days, services }: VisitFigures) =>
  ({
    from,
    to,
    days: days.map(({ date, ...of }) => ({ date, ...presentCounts(of) })),
    services: services.map(({ serviceId: id, ...of }) => ({ serviceId: id, ...presentCounts(of) })),
  }) satisfies z.input<typeof visitFigures>;

export const presentTakings = ({ from, to }: TakingsRange, sources: readonly SourceTakings[]) =>
  ({
    from,
    to,
    sources: sources.map(({ sourceId: id, kind, days }) => ({
      sourceId: id,
      kind,
      days: days.map(({ date, records, sumMinor, currency }) => ({
        date,
        records,
        sum: { amountMinor: sumMinor, currency },
      })),
    })),
  }) satisfies z.input<typeof takings>;
