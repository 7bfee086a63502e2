import { type Context, type Instant, type PageRequest, pageOf, type TenantId } from '#infra/kernel';
import { cursorOf, type MergedPage, mergedPage, positionsOf, type Sharding, type ShardOutcome } from '#infra/sharding';
import { type DeadJobKey, OutboxRepository } from './outbox.repository.js';
import { fail } from './queues.errors.js';

/** A job that was given up. Its payload stays where it is. */
export interface DeadJob {
  readonly database: string;
  readonly tenantId: TenantId;
  readonly id: string;
  readonly name: string;
  readonly attempts: number;
  readonly errorCode: string | null;
  readonly deadAt: Instant;
}

export interface DeadJobsPage {
  readonly jobs: readonly DeadJob[];
  /** Null where no database has more; one that is away may have. */
  readonly cursor: string | null;
  readonly databases: readonly ShardOutcome[];
}

export const deadJobsMax = 1_000;

/**
 * Jobs of all tenants that were given up, the newest first, out of the directory and every shard. A database that is away
 * is named; what it holds comes on a later page, once it is back.
 */
export async function listDeadJobs(
  sharding: Sharding,
  ctx: Context,
  { limit, cursor }: { readonly limit: number; readonly cursor: string | null },
): Promise<DeadJobsPage> {
  const positions = cursor === null ? {} : positionsOf(cursor, isKey);
  if (positions === null || limit < 1 || limit > deadJobsMax) throw fail('jobs.page_invalid');
  const rows = new OutboxRepository();
  const ask = (requests: ReadonlyMap<string, PageRequest<DeadJobKey>>) =>
    sharding.readEachShard(
      ctx,
      async (system) => {
        const asked = requests.get(system.database) ?? { limit: 1, after: null };
        const found = await rows.dead(system, asked.after, asked.limit + 1);
        return pageOf(
          found.map((job) => ({ database: system.database, ...job })),
          asked,
          keyOf,
        );
      },
      { directory: true, only: [...requests.keys()] },
    );
  const page: MergedPage<DeadJob, DeadJobKey> = await mergedPage<DeadJob, DeadJobKey>(
    { ids: sharding.databaseNames, keyOf, compare, ask },
    { limit, positions },
  );
  return { jobs: page.items, cursor: page.next === null ? null : cursorOf(page.next), databases: page.shards };
}

const keyOf = ({ deadAt, id }: DeadJob): DeadJobKey => ({ deadAt, id });
const compare = (a: DeadJobKey, b: DeadJobKey): number => b.deadAt - a.deadAt || (a.id < b.id ? 1 : -1);
const isKey = (key: unknown): key is DeadJobKey => {
  const { deadAt, id } = (key ?? {}) as Partial<DeadJobKey>;
  return typeof deadAt === 'number' && typeof id === 'string';
};
