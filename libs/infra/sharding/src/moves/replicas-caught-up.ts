import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '#infra/kernel';
import type { MovableShard } from './move.js';
import { fail } from './moves.errors.js';
import { Session } from './session.js';

const pollMs = 20;

/**
 * Resolves when every replica of the shard has replayed `position`. Throws move.behind, naming the replica, when one does
 * not within the patience or cannot be asked: should it come back later, it would answer from before the hand-over.
 */
export async function replicasCaughtUp(shard: MovableShard, position: string, patienceMs: number): Promise<void> {
  const endsAt = monotonicMs() + patienceMs;
  await Promise.all(
    shard.replicas.map(async (url, n) => {
      const named = `replica-${n + 1} of ${shard.name}`;
      const replica = await Session.openAs(url.reveal()).catch((cause: unknown) => {
        throw fail('move.behind', { internal: `${named} cannot be asked what it has replayed`, cause });
      });
      try {
        while (!(await hasReplayed(replica, position))) {
          if (monotonicMs() > endsAt) throw fail('move.behind', { internal: `${named} has not replayed ${position}` });
          await sleep(pollMs);
        }
      } finally {
        await replica.close();
      }
    }),
  );
}

async function hasReplayed(replica: Session, position: string): Promise<boolean> {
  const { replayed } = await replica.one<{ replayed: boolean }>(
    'select not pg_is_in_recovery() or coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false) as replayed',
    [position],
  );
  return replayed;
}
