import { forgetCatalogue } from '#domain/appointments';
import { forgetMember, type MemberId, type MembersService } from '#domain/members';
import type { Cache, Warmth } from '#infra/cache';
import { type Processor, processorFor, type Schedule } from '#infra/queues';

const hourMs = 3_600_000;
const minuteMs = 60_000;

/** Loads ahead what was asked for most, for every process by way of Redis: hourly, and when the first worker starts. */
export const cacheWarm = (warmth: Warmth): Schedule => ({
  name: 'cache-warm',
  everyMs: hourMs,
  timeoutMs: 5 * minuteMs,
  run: async () => void (await warmth.hourly()),
});

/** What the process that changed something may not have lived to say. */
export const cacheProcessors = (members: MembersService, cache: Cache): readonly Processor[] => [
  processorFor(forgetMember, (ctx, { memberId }) => members.forgetCached(ctx, memberId as MemberId)),
  processorFor(forgetCatalogue, (ctx, { part }) => cache.forgetTag(ctx, part)),
];
