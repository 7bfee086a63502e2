import { type Instant, newId, type TenantId, toDate } from '#infra/kernel';
import type { ReadContext, SystemContext, WriteContext } from '#infra/sharding';
import type { QuotaLevel, QuotaResource } from './quota.js';

export interface Consumption {
  readonly resource: QuotaResource;
  readonly amount: number;
  readonly most: number;
  readonly periodStart: Instant;
  readonly freshFrom: Instant;
  readonly at: Instant;
  /** Facts are announced from shards only. */
  readonly announced: boolean;
}

/** What is asked of one row: whether it speaks of this period, and was counted late enough. */
export interface Wanted {
  readonly resource: QuotaResource;
  readonly periodStart: Instant;
  readonly freshFrom: Instant;
}

/** `kept`: what the row says, null where it says nothing. `counted`: what there is, in the same snapshot. */
export interface Compared {
  readonly resource: QuotaResource;
  readonly kept: number | null;
  readonly counted: number;
}

/** Every SQL statement about quotas. */
export class QuotasRepository {
  /** Travels with what comes next, and fails the transaction with TQ001. The level that is reached by it, when it is told. */
  async consume(tx: WriteContext, consumption: Consumption): Promise<QuotaLevel> {
    const { resource, amount, most, periodStart, freshFrom, at, announced } = consumption;
    const [row] = await tx.db.query<{ level: QuotaLevel }>(
      'select consume_quota($1, $2, $3, $4, $5, $6, $7, $8, $9) as level',
      [
        resource,
        amount,
        most,
        toDate(periodStart),
        toDate(freshFrom),
        toDate(at),
        newId(),
        announced ? newId() : null,
        tx.requestId,
      ],
    );
    return row?.level ?? 0;
  }

  release(tx: WriteContext, resource: QuotaResource, amount: number): void {
    tx.db.send('select release_quota($1, $2)', [resource, amount]);
  }

  /** What it said before and what there is, counted while nobody adds or takes away. */
  async recount(tx: WriteContext, { resource, periodStart }: Wanted, at: Instant): Promise<Omit<Compared, 'resource'>> {
    const [row] = await tx.db.query<{ before: string | null; counted: string }>(
      'select before, counted from recount_quota($1, $2, $3, $4)',
      [resource, toDate(periodStart), toDate(at), newId()],
    );
    return { kept: row?.before == null ? null : Number(row.before), counted: Number(row?.counted ?? 0) };
  }

  /** What rows say and, where they say nothing, what is counted. */
  async usage(tx: ReadContext, wanted: readonly Wanted[]): Promise<ReadonlyMap<QuotaResource, number>> {
    const rows = await tx.db.query<{ resource: QuotaResource; used: string }>(
      `select w.resource, coalesce(q.used, quota_count(w.resource, w.since)) as used ${ofWanted}`,
      parametersOf(tx, wanted),
    );
    return new Map(rows.map(({ resource, used }) => [resource, Number(used)]));
  }

  /** Rows beside what there is. Nothing is locked: one statement sees both as of one moment. */
  async compare(tx: ReadContext, wanted: readonly Wanted[]): Promise<readonly Compared[]> {
    const rows = await tx.db.query<{ resource: QuotaResource; kept: string | null; counted: string }>(
      `select w.resource, q.used as kept, quota_count(w.resource, w.since) as counted ${ofWanted}`,
      parametersOf(tx, wanted),
    );
    return rows.map(({ resource, kept, counted }) => ({
      resource,
      kept: kept === null ? null : Number(kept),
      counted: Number(counted),
    }));
  }

  /** In the directory, in the order of their ids. */
  async tenantsAfter(system: SystemContext, after: TenantId | null, limit: number): Promise<readonly TenantId[]> {
    const rows = await system.db.query<{ id: TenantId }>('select id from tenant where id > $1 order by id limit $2', [
      after ?? nil,
      limit,
    ]);
    return rows.map(({ id }) => id);
  }
}

const nil = '00000000-0000-0000-0000-000000000000';

/** $1 the tenant, $2 resources, $3 the starts of their periods, $4 from when on a count is good. */
const ofWanted = `
  from unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) as w (resource, since, fresh_from)
  left join quota_usage q on q.tenant_id = $1 and q.resource = w.resource
    and q.period_start >= w.since and q.counted_at >= w.fresh_from`;

const parametersOf = (tx: ReadContext, wanted: readonly Wanted[]) => [
  tx.tenant.id,
  wanted.map(({ resource }) => resource),
  wanted.map(({ periodStart }) => toDate(periodStart)),
  wanted.map(({ freshFrom }) => toDate(freshFrom)),
];
