import { z } from 'zod';
import { defineFact } from '#infra/queues';
import type { Patient } from './patient.js';

const payload = z.strictObject({ patientId: z.uuid(), version: z.int().min(1) });

const room = () => ({ of: 'tenant' }) as const;

const created = defineFact({ name: 'patient.created', payload, room });
const updated = defineFact({ name: 'patient.updated', payload, room });

/** Which patient changed, never who it is. Readers fetch with their own rights. */
export const patientFacts = [created, updated] as const;

const facts = { created, updated } as const;

/** The outbox entry of what just happened to a patient; facts of one patient keep their order. */
export const factOf = (event: keyof typeof facts, { id, version }: Pick<Patient, 'id' | 'version'>) =>
  facts[event].entry(id, { patientId: id, version });
