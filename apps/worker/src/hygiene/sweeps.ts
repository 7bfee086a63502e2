import { removeAbandonedUploads } from '#domain/reconciliation';
import type { Identity } from '#infra/identity';
import { type Clock, type Context, toDate } from '#infra/kernel';
import { removeFinishedJobs, removePublishedFacts, type Schedule } from '#infra/queues';
import type { Sharding, SystemContext } from '#infra/sharding';
import type { Log } from '#infra/telemetry';

/** Rows that one transaction removes. */
export const sweepBatch = 1_000;
/** Batches of one run; what is left waits for the next. */
export const maxBatches = 100;
const minuteMs = 60_000;

export interface SweepNeeds {
  readonly sharding: Sharding;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly log: Log;
}

interface Swept {
  readonly removed: number;
  /** Why some database was left out. */
  readonly failure?: unknown;
}
type Batch = (ctx: Context) => Promise<Swept>;

/** What the product forgets by itself, and how often it looks. The audit is in none of them. */
export function hygieneSchedules(needs: SweepNeeds): readonly Schedule[] {
  const identity: Batch = async (ctx) => ({ removed: await needs.identity.removeExpired(ctx) });
  return [
    schedule(needs, 'hygiene.idempotency_keys', 10 * minuteMs, everywhere(needs, removeIdempotencyKeys)),
    schedule(needs, 'hygiene.finished_jobs', 10 * minuteMs, everywhere(needs, removeFinishedJobs)),
    schedule(needs, 'hygiene.published_facts', 2 * minuteMs, onShards(needs, removePublishedFacts)),
    schedule(needs, 'hygiene.abandoned_uploads', 60 * minuteMs, onShards(needs, removeAbandonedUploads)),
    schedule(needs, 'hygiene.identity', 60 * minuteMs, identity),
  ];
}

/** Batches until one finds nothing. A database that fails stops no other, and fails the run in the end. */
function schedule({ log }: SweepNeeds, name: string, everyMs: number, batch: Batch): Schedule {
  const run = async (ctx: Context): Promise<void> => {
    let total = 0;
    for (let n = 0; n < maxBatches; n += 1) {
      const { removed, failure } = await batch(ctx);
      total += removed;
      if (removed > 0) continue;
      if (failure !== undefined) throw failure;
      break;
    }
    log.info('hygiene.done', { count: total });
  };
  return { name, everyMs, timeoutMs: 5 * minuteMs, run };
}

type SystemBatch = (system: SystemContext, now: number, limit: number) => Promise<number>;

/** One batch in every database. */
const everywhere = (needs: SweepNeeds, batch: SystemBatch): Batch => inEach(needs, batch, { directory: true });
const onShards = (needs: SweepNeeds, batch: SystemBatch): Batch => inEach(needs, batch, { directory: false });

const inEach =
  ({ sharding, clock }: SweepNeeds, batch: SystemBatch, where: { readonly directory: boolean }): Batch =>
  async (ctx) => {
    const now = clock.now();
    const results = await sharding.eachShard(ctx, (system) => batch(system, now, sweepBatch), where);
    const removed = results.reduce((sum, { value = 0 }) => sum + value, 0);
    return { removed, failure: results.find(({ error }) => error !== undefined)?.error };
  };

/** An expired key is refused by nobody: the same request under it is a new one. */
const removeIdempotencyKeys: SystemBatch = (system, now, limit) =>
  system.db.execute(
    `delete from idempotency_key k
      using (select tenant_id, id from idempotency_key where expires_at <= $1
              order by expires_at limit $2) old
      where k.tenant_id = old.tenant_id and k.id = old.id`,
    [toDate(now), limit],
  );
