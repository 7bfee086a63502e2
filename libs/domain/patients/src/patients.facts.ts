import { z } from 'zod';
import { defineFact } from '#infra/queues';
import type { Patient } from './patient.js';
import { permissionOf } from './patients.policy.js';

const payload = z.strictObject({ patientId: z.uuid(), version: z.int().min(1) });

const permission = permissionOf['patient.read'];
const rooms = () => [{ of: 'tenant' }] as const;

const created = defineFact({ name: 'patient.created', payload, permission, rooms });
const updated = defineFact({ name: 'patient.updated', payload, permission, rooms });

/** Which patient changed, never who it is. Readers fetch with their own rights. */
export const patientFacts = [created, updated] as const;

const facts = { created, updated } as const;

/** The outbox entry of what just happened to a patient; the version tells which of two facts is newer. */
export const factOf = (event: keyof typeof facts, { id, version }: Pick<Patient, 'id' | 'version'>) =>
  facts[event].entry(id, { patientId: id, version });
