import { type Context, may } from '#infra/kernel';
import { fail } from './appointments.errors.js';

/** The permission that each verb asks for. The catalogue, free times and figures hold nothing personal; visits do. */
export const permissionOf = {
  'catalogue.read': 'catalogue.read',
  'catalogue.change': 'catalogue.manage',
  'catalogue.publish': 'catalogue.manage',
  'availability.find': 'catalogue.read',
  'appointment.read': 'appointments.read',
  'appointment.book': 'appointments.book',
  'appointment.reschedule': 'appointments.manage',
  'appointment.cancel': 'appointments.manage',
  'analytics.read': 'analytics.read',
} as const;
export type AppointmentVerb = keyof typeof permissionOf;

export const mayDo = (ctx: Context, verb: AppointmentVerb): boolean => may(ctx, permissionOf[verb]);

export function demand(ctx: Context, verb: AppointmentVerb): void {
  if (!mayDo(ctx, verb)) throw fail('appointment.forbidden', { internal: verb });
}
