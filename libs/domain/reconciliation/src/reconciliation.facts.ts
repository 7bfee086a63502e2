import { z } from 'zod';
import { defineFact } from '#infra/queues';
import { permissionOf } from './reconciliation.policy.js';

const count = z.int().min(0);
const rooms = () => [{ of: 'tenant' }] as const;

/** Facts of one source keep their order. */
export const statementCommitted = defineFact({
  name: 'statement.committed',
  payload: z.strictObject({
    statementId: z.uuid(),
    sourceId: z.uuid(),
    accepted: count,
    duplicates: count,
    rejected: count,
  }),
  permission: permissionOf['statement.read'],
  rooms,
});

/** Facts of one leg keep their order. */
export const runCompleted = defineFact({
  name: 'run.completed',
  payload: z.strictObject({ runId: z.uuid(), matches: count }),
  permission: permissionOf['run.read'],
  rooms,
});

/** What became of files and runs: ids and counts, never what a record says. */
export const reconciliationFacts = [statementCommitted, runCompleted] as const;
