import type { Id, Instant } from '#infra/kernel';
import { TZDB_VERSION, wallClock } from '#infra/time';
import type { LocationId, ServiceId } from './catalogue.js';
import type { ResourceId, ResourceKind } from './resource.js';

export type AppointmentId = Id<'appointment'>;

export const appointmentStatuses = ['booked', 'cancelled'] as const;
export type AppointmentStatus = (typeof appointmentStatuses)[number];

export const appointmentEvents = ['booked', 'rescheduled', 'cancelled'] as const;
export type AppointmentEvent = (typeof appointmentEvents)[number];

export const cancelReasons = ['client_request', 'clinic_request', 'duplicate', 'other'] as const;
export type CancelReason = (typeof cancelReasons)[number];

/** What somebody without a membership said about themselves. Lies in envelopes only. */
export interface Client {
  readonly name: string;
  readonly phone?: string | undefined;
  readonly email?: string | undefined;
}

/** One resource's share of a visit, in UTC minutes since 1970, half-open. */
export interface Share {
  readonly resourceId: ResourceId;
  readonly kind: ResourceKind;
  readonly lane: number;
  readonly startMin: number;
  readonly endMin: number;
}

/** When a visit is, in UTC minutes and as the wall clock of its place shows it, and by which zone data. */
export interface Timing {
  readonly startMin: number;
  readonly endMin: number;
  /** `YYYY-MM-DDTHH:MM` */
  readonly localStart: string;
  readonly tz: string;
  /** Version of the zone data that tied the two together. */
  readonly tzdb: string;
}

/** A visit that starts then, on the wall clock of the zone. */
export function timingOf(startMin: number, durationMin: number, tz: string): Timing {
  const { date, time } = wallClock(startMin, tz);
  return { startMin, endMin: startMin + durationMin, localStart: `${date}T${time}`, tz, tzdb: TZDB_VERSION };
}

export interface Appointment extends Timing {
  readonly id: AppointmentId;
  readonly version: number;
  readonly status: AppointmentStatus;
  readonly locationId: LocationId;
  readonly serviceId: ServiceId;
  readonly shares: readonly Share[];
  readonly client: Client;
  readonly note: string | null;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

/** One version of a visit, as it was and who made it so. */
export interface HistoryEntry extends Timing {
  readonly version: number;
  readonly event: AppointmentEvent;
  readonly status: AppointmentStatus;
  readonly shares: readonly Share[];
  readonly reason: CancelReason | null;
  readonly note: string | null;
  readonly actorKind: 'user' | 'system' | 'anonymous';
  readonly actorId: string | null;
  readonly at: Instant;
}

export type Change = 'reschedule' | 'cancel';

const transitions: Readonly<Record<AppointmentStatus, Readonly<Partial<Record<Change, AppointmentStatus>>>>> = {
  booked: { reschedule: 'booked', cancel: 'cancelled' },
  cancelled: {},
};

/** The status after a change, or null where the state machine has no such arrow. */
export const statusAfter = (status: AppointmentStatus, change: Change): AppointmentStatus | null =>
  transitions[status][change] ?? null;

/** True where the visit must hold exactly its shares as claims; otherwise it holds none. */
export const holdsTime = (status: AppointmentStatus): boolean => status === 'booked';

export type ChangeRefusal = 'appointment.version_conflict' | 'appointment.wrong_state' | 'appointment.already_over';

/** Why a change is refused, or null: the caller must have read this version, the state allows it, it is not over. */
export function refusalOfChange(
  appointment: Pick<Appointment, 'version' | 'status' | 'endMin'>,
  change: Change,
  expectedVersion: number,
  nowMin: number,
): ChangeRefusal | null {
  if (appointment.version !== expectedVersion) return 'appointment.version_conflict';
  if (statusAfter(appointment.status, change) === null) return 'appointment.wrong_state';
  return nowMin < appointment.endMin ? null : 'appointment.already_over';
}

/** Where a list goes on: after the visit that starts then and has this id. */
export interface AppointmentKey {
  readonly startMin: number;
  readonly id: AppointmentId;
}

export interface AppointmentFilter {
  /** Visits that start in [fromMin, toMin). */
  readonly fromMin?: number | undefined;
  readonly toMin?: number | undefined;
  readonly locationId?: LocationId | undefined;
  readonly resourceId?: ResourceId | undefined;
  readonly status?: AppointmentStatus | undefined;
}
