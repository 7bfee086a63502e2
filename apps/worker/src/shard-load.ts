import type { Clock } from '#infra/kernel';
import type { Schedule } from '#infra/queues';
import { measureShardLoad, type Sharding, shardLoadEveryMs } from '#infra/sharding';

const timeoutMs = 30_000;

/** What every shard carries, for whoever asks where a new tenant should live. */
export const shardLoadSchedule = (sharding: Sharding, clock: Clock): Schedule => ({
  name: 'shards.load',
  everyMs: shardLoadEveryMs,
  timeoutMs,
  run: async (ctx) => {
    await measureShardLoad(sharding, ctx, clock.now());
  },
});
