import { type Context, may } from '#infra/kernel';
import { fail } from './patients.errors.js';

/** The permission that each verb asks for: one person by id is less than looking among all. */
export const permissionOf = {
  'patient.read': 'patients.read',
  'patient.list': 'patients.search',
  'patient.search': 'patients.search',
  'patient.create': 'patients.manage',
  'patient.update': 'patients.manage',
  'note.read': 'notes.read',
  'note.write': 'notes.write',
} as const;
export type PatientVerb = keyof typeof permissionOf;

export const mayDo = (ctx: Context, verb: PatientVerb): boolean => may(ctx, permissionOf[verb]);

export function demand(ctx: Context, verb: PatientVerb): void {
  if (!mayDo(ctx, verb)) throw fail('patient.forbidden', { internal: verb });
}
