import { z } from 'zod';
import {
  type Appointment,
  type AppointmentFilter,
  type AppointmentId,
  type Availability,
  appointmentEvents,
  appointmentStatuses,
  cancelReasons,
  type HistoryEntry,
  resourceKinds,
  type Share,
} from '#domain/appointments';
import { formatInstant, localDateOf, minuteOfInstant } from '#infra/time';
import {
  allOf,
  emailAddress,
  idOf,
  instant,
  instantText,
  line,
  listQuery,
  localDate,
  pageOf,
  prose,
  utcText,
  versionNumber,
} from '../edge/index.js';
import { date } from './calendar.dto.js';
import { locationId, resourceId, serviceId } from './catalogue.dto.js';

const noteLength = 2_000;
const minuteMs = 60_000;

export const appointmentId = idOf<AppointmentId>('appointment');

export const availabilityQuery = z.strictObject({
  serviceId,
  locationId: locationId.optional(),
  providerId: resourceId.optional(),
  from: date.meta({ description: 'local date of the location' }),
  to: date.meta({ description: 'local date of the location, included; at most 92 days' }),
});
const freeStart = z.strictObject({
  start: instantText,
  end: instantText,
  providers: z.int().meta({ description: 'how many providers are free then' }),
});
export const availability = z.strictObject({
  locationId,
  tz: z.string(),
  tzdb: z.string().meta({ description: 'version of the time-zone data' }),
  from: localDate,
  to: localDate,
  days: z
    .record(z.string(), z.array(freeStart))
    .meta({ description: 'by local date; days without a free start are absent' }),
});

const client = z.strictObject({
  name: line(200),
  phone: line(40).optional(),
  email: emailAddress.optional(),
});
const note = prose(noteLength);

export const newBooking = z.strictObject({
  serviceId,
  locationId,
  start: instant,
  providerId: resourceId.optional(),
  client,
  note: note.optional(),
});
export const rescheduling = z
  .strictObject({
    start: instant,
    providerId: resourceId.optional().meta({ description: 'without it the visit keeps its provider' }),
    anyProvider: z.boolean().default(false).meta({ description: 'whoever is free' }),
    note: note.optional(),
  })
  .refine(({ providerId, anyProvider }) => providerId === undefined || !anyProvider, {
    message: 'names a provider already',
    path: ['anyProvider'],
  });
export const cancellation = z.strictObject({
  reason: z.enum(cancelReasons).default('client_request'),
  note: note.optional(),
});

const share = z.strictObject({
  resourceId,
  kind: z.enum(resourceKinds),
  start: instantText,
  end: instantText,
});
const timing = {
  start: instantText,
  end: instantText,
  tz: z.string(),
  tzdb: z.string(),
};
export const appointment = z.strictObject({
  id: appointmentId,
  version: versionNumber,
  status: z.enum(appointmentStatuses),
  locationId,
  serviceId,
  ...timing,
  resources: z.array(share),
  client: z.strictObject({ name: z.string(), phone: z.string().optional(), email: z.string().optional() }),
  note: z.string().nullable(),
  createdAt: instantText,
  updatedAt: instantText,
});
export const appointments = pageOf(appointment);
export const appointmentList = listQuery(
  {
    from: instant.optional().meta({ description: 'visits that start then or later' }),
    to: instant.optional().meta({ description: 'visits that start before' }),
    locationId: locationId.optional(),
    resourceId: resourceId.optional(),
    status: z.enum(appointmentStatuses).optional(),
  },
  'large',
);

const historyEntry = z.strictObject({
  version: versionNumber,
  event: z.enum(appointmentEvents),
  status: z.enum(appointmentStatuses),
  ...timing,
  resources: z.array(share),
  reason: z.enum(cancelReasons).nullable(),
  note: z.string().nullable(),
  actor: z.strictObject({ kind: z.enum(['user', 'system', 'anonymous']), id: z.string().nullable() }),
  at: instantText,
});
export const history = allOf(historyEntry);

/** The first whole minute at or after an instant: starts are whole minutes. */
const minuteFrom = (ms: number): number => minuteOfInstant(ms + minuteMs - 1);

export const filterOf = ({ from, to, ...rest }: z.output<typeof appointmentList>): AppointmentFilter => ({
  fromMin: from === undefined ? undefined : minuteFrom(from),
  toMin: to === undefined ? undefined : minuteFrom(to),
  locationId: rest.locationId,
  resourceId: rest.resourceId,
  status: rest.status,
});

const presentShares = (shares: readonly Share[], tz: string) =>
  shares.map(({ resourceId: id, kind, startMin, endMin }) => ({
    resourceId: id,
    kind,
    start: formatInstant(startMin, tz),
    end: formatInstant(endMin, tz),
  }));

const presentTiming = ({ startMin, endMin, tz, tzdb }: Pick<Appointment, 'startMin' | 'endMin' | 'tz' | 'tzdb'>) => ({
  start: formatInstant(startMin, tz),
  end: formatInstant(endMin, tz),
  tz,
  tzdb,
});

export const presentAppointment = (found: Appointment): z.input<typeof appointment> => ({
  id: found.id,
  version: found.version,
  status: found.status,
  locationId: found.locationId,
  serviceId: found.serviceId,
  ...presentTiming(found),
  resources: presentShares(found.shares, found.tz),
  client: found.client,
  note: found.note,
  createdAt: utcText(found.createdAt),
  updatedAt: utcText(found.updatedAt),
});

export const presentHistory = (entries: readonly HistoryEntry[]): z.input<typeof history> => ({
  data: entries.map((entry) => ({
    version: entry.version,
    event: entry.event,
    status: entry.status,
    ...presentTiming(entry),
    resources: presentShares(entry.shares, entry.tz),
    reason: entry.reason,
    note: entry.note,
    actor: { kind: entry.actorKind, id: entry.actorId },
    at: utcText(entry.at),
  })),
});

export function presentAvailability(found: Availability): z.input<typeof availability> {
  const { locationId: place, tz, tzdb, from, to, durationMin } = found;
  const days: Record<string, z.input<typeof freeStart>[]> = {};
  for (const { startMin, providers } of found.starts) {
    const day = localDateOf(startMin, tz);
    days[day] ??= [];
    days[day].push({ start: formatInstant(startMin, tz), end: formatInstant(startMin + durationMin, tz), providers });
  }
  return { locationId: place, tz, tzdb, from, to, days };
}
