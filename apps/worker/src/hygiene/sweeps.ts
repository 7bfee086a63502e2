import type { Identity } from '#infra/identity';
import { type Clock, type Context, toDate } from '#infra/kernel';
import { removeFinishedJobs, type Schedule } from '#infra/queues';
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

/** One batch; the number of rows removed, 0 when nothing is left. */
type Batch = (ctx: Context) => Promise<number>;

/** What the product forgets by itself, and how often it looks. The audit is in none of them. */
export function hygieneSchedules(needs: SweepNeeds): readonly Schedule[] {
  const { identity } = needs;
  return [
    schedule(needs, 'hygiene.idempotency_keys', 10 * minuteMs, everywhere(needs, removeIdempotencyKeys)),
    schedule(needs, 'hygiene.finished_jobs', 10 * minuteMs, everywhere(needs, removeFinishedJobs)),
    schedule(needs, 'hygiene.identity', 60 * minuteMs, (ctx) => identity.removeExpired(ctx)),
  ];
}

function schedule({ log }: SweepNeeds, name: string, everyMs: number, batch: Batch): Schedule {
  const run = async (ctx: Context): Promise<void> => {
    let total = 0;
    for (let n = 0; n < maxBatches; n += 1) {
      const count = await batch(ctx);
      total += count;
      if (count === 0) break;
    }
    log.info('hygiene.done', { count: total });
  };
  return { name, everyMs, timeoutMs: 5 * minuteMs, run };
}

type SystemBatch = (system: SystemContext, now: number, limit: number) => Promise<number>;

/** The batch in every database; one that cannot be reached fails the run after the others had theirs. */
const everywhere =
  ({ sharding, clock }: SweepNeeds, batch: SystemBatch): Batch =>
  async (ctx) => {
    const now = clock.now();
    const results = await sharding.eachShard(ctx, (system) => batch(system, now, sweepBatch), { directory: true });
    const failed = results.find(({ error }) => error !== undefined);
    if (failed) throw failed.error;
    return results.reduce((sum, { value = 0 }) => sum + value, 0);
  };

/** An expired key is refused by nobody: the same request under it is a new one. */
const removeIdempotencyKeys: SystemBatch = (system, now, limit) =>
  system.db.execute(
    `delete from idempotency_key k
      using (select tenant_id, id from idempotency_key where expires_at <= $1
              order by expires_at limit $2 for update skip locked) old
      where k.tenant_id = old.tenant_id and k.id = old.id`,
    [toDate(now), limit],
  );
