import { z } from 'zod';
import { defineFact } from '#infra/queues';
import type { Appointment } from './appointment.js';
import { permissionOf } from './appointments.policy.js';

const payload = z.strictObject({ appointmentId: z.uuid(), locationId: z.uuid(), version: z.int().min(1) });
type Payload = z.infer<typeof payload>;

const permission = permissionOf['appointment.read'];
const rooms = ({ appointmentId, locationId }: Payload) =>
  [
    { of: 'location', id: locationId },
    { of: 'appointment', id: appointmentId },
  ] as const;

const booked = defineFact({ name: 'appointment.booked', payload, permission, rooms });
const rescheduled = defineFact({ name: 'appointment.rescheduled', payload, permission, rooms });
const cancelled = defineFact({ name: 'appointment.cancelled', payload, permission, rooms });

/** What the calendars of a location and whoever watches one visit are told: which visit changed, never whose it is. Readers fetch with their own rights. */
export const appointmentFacts = [booked, rescheduled, cancelled] as const;

const facts = { booked, rescheduled, cancelled } as const;

/** The outbox entry of what just happened to a visit; the version tells which of two facts is newer. */
export const factOf = (
  event: keyof typeof facts,
  { id, locationId, version }: Pick<Appointment, 'id' | 'locationId' | 'version'>,
) => facts[event].entry(id, { appointmentId: id, locationId, version });
