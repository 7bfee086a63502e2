import { z } from 'zod';
import type { TenantId } from '#infra/kernel';
import type { PublishedFact } from '#infra/queues';

const room = z.union([
  z.object({ of: z.literal('tenant') }),
  z.object({ of: z.enum(['user', 'location', 'appointment']), id: z.string() }),
]);
const written = z.object({
  seq: z.int().min(1),
  name: z.string(),
  at: z.number(),
  permission: z.string(),
  rooms: z.array(room),
  payload: z.unknown(),
});

/** A fact as Redis carries it. Whose it is, the key and the channel say. */
export const textOf = ({ seq, name, at, permission, rooms, payload }: PublishedFact): string =>
  JSON.stringify({ seq, name, at, permission, rooms, payload });

/** Null for what this build cannot read. */
export function factIn(text: string, tenantId: TenantId): PublishedFact | null {
  const read = written.safeParse(parsed(text));
  return read.success ? { tenantId, ...read.data } : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No fact of ours; whoever reads on finds it in the database.
    return null;
  }
}
