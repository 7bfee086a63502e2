import type { FastifyReply } from 'fastify';
import type { Sighting } from '#domain/members';

const words = { memory: 'L1', redis: 'L2', source: 'MISS', late: 'STALE' } as const;

/** Says which layer answered, and how old what it says is. `STALE`: its shard could not be asked. */
export function tellFreshness(reply: FastifyReply, { from, ageMs }: Pick<Sighting, 'from' | 'ageMs'>): void {
  reply.header('x-cache', words[from]);
  if (from !== 'source') reply.header('age', Math.floor(ageMs / 1_000));
}
