import { type Instant, type TenantId, toDate } from '#infra/kernel';
import type { ReadContext, SystemContext } from '#infra/sharding';

/** A numbered fact as the outbox holds it. */
export interface FactRow {
  readonly tenantId: TenantId;
  readonly id: string;
  readonly seq: number;
  readonly name: string;
  readonly payload: unknown;
  readonly at: Date;
}

/** A fact that has no number yet. */
export type DueFact = Pick<FactRow, 'tenantId' | 'id' | 'name'>;

const columns = 'tenant_id as "tenantId", id, seq::float8 as seq, name, payload, created_at as at';

/** Every SQL statement about facts in the outbox, and about their numbers. */
export class FactsRepository {
  /**
   * True where no other relay does this work in this database; held until the transaction ends. Statements that follow
   * see all that its last holder committed.
   */
  async enter(system: SystemContext, work: 'numbering' | 'publishing'): Promise<boolean> {
    const [lock] = await system.db.query<{ held: boolean }>(
      'select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as held',
      [`outbox.${work}`],
    );
    return lock?.held === true;
  }

  /** The oldest facts without a number. */
  async unnumbered(system: SystemContext, at: Instant, limit: number): Promise<DueFact[]> {
    return system.db.query<DueFact>(selectUnnumbered, [toDate(at), limit]);
  }

  /**
   * Gives facts their tenants' next numbers, for ever, each tenant's in the order of their ids. Only under the lock;
   * travels with the commit.
   */
  number(system: SystemContext, facts: readonly DueFact[]): void {
    const byTenant = Map.groupBy(facts, ({ tenantId }) => tenantId);
    const places = [...byTenant.values()].flatMap((own) =>
      own.toSorted(byId).map(({ tenantId, id }, n) => ({ tenantId, id, followers: own.length - 1 - n })),
    );
    system.db.send(giveNumbers, [
      ...keysOf(places),
      places.map(({ followers }) => followers),
      [...byTenant.keys()],
      [...byTenant.values()].map(({ length }) => length),
    ]);
  }

  /** Facts that nobody here can number now. Travels with the commit. */
  postpone(system: SystemContext, facts: readonly DueFact[], until: Instant): void {
    system.db.send(
      `update outbox o set next_at = $3
         from unnest($1::uuid[], $2::uuid[]) as late (tenant_id, id)
        where o.tenant_id = late.tenant_id and o.id = late.id`,
      [...keysOf(facts), toDate(until)],
    );
  }

  async hasUnpublished(system: SystemContext): Promise<boolean> {
    const [found] = await system.db.query<{ any: boolean }>(
      `select exists (select from outbox where kind = 'fact' and seq is not null and published_at is null) as any`,
    );
    return found?.any === true;
  }

  /** Numbered facts that are not published yet, each tenant's in its order; `resting` tenants are passed over. */
  async unpublished(system: SystemContext, resting: readonly TenantId[], limit: number): Promise<FactRow[]> {
    return system.db.query<FactRow>(selectUnpublished, [resting, limit]);
  }

  /** Travels with the commit. */
  markPublished(system: SystemContext, facts: readonly Key[], at: Instant): void {
    system.db.send(
      `update outbox o set published_at = $3
         from unnest($1::uuid[], $2::uuid[]) as done (tenant_id, id)
        where o.tenant_id = done.tenant_id and o.id = done.id`,
      [...keysOf(facts), toDate(at)],
    );
  }

  /** Facts that were published before `before`; what is not published stays. */
  async removePublished(system: SystemContext, before: Instant, limit: number): Promise<number> {
    return system.db.execute(
      `delete from outbox o
        using (select tenant_id, id from outbox where kind = 'fact' and published_at < $1
                order by published_at limit $2 for update skip locked) old
        where o.tenant_id = old.tenant_id and o.id = old.id`,
      [toDate(before), limit],
    );
  }

  /** The tenant's numbered facts after a place, published or not, oldest first. */
  async after(tx: ReadContext, seq: number, limit: number): Promise<FactRow[]> {
    return tx.db.query<FactRow>(
      `select ${columns} from outbox
        where tenant_id = $1 and kind = 'fact' and seq is not null and seq > $2 order by seq limit $3`,
      [tx.tenant.id, seq, limit],
    );
  }

  /** The number of the tenant's newest fact; 0 before the first. */
  async newest(tx: ReadContext): Promise<number> {
    const [row] = await tx.db.query<{ seq: number }>(
      'select last_seq::float8 as seq from fact_sequence where tenant_id = $1',
      [tx.tenant.id],
    );
    return row?.seq ?? 0;
  }
}

/** $1 now, $2 how many at most. */
export const selectUnnumbered = `
select tenant_id as "tenantId", id, name from outbox
 where kind = 'fact' and seq is null and next_at <= $1
 order by next_at, id limit $2`;

/** $1 and $2 keys of facts, $3 how many of its tenant follow each; $4 the tenants, $5 how many facts each has. */
export const giveNumbers = `
with counted as (
  insert into fact_sequence as s (tenant_id, last_seq)
  select * from unnest($4::uuid[], $5::bigint[])
  on conflict (tenant_id) do update set last_seq = s.last_seq + excluded.last_seq
  returning tenant_id, last_seq
)
update outbox o set seq = c.last_seq - due.followers
  from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as due (tenant_id, id, followers) join counted c using (tenant_id)
 where o.tenant_id = due.tenant_id and o.id = due.id`;

/** $1 tenants to pass over, $2 how many at most. */
export const selectUnpublished = `
select ${columns} from outbox
 where kind = 'fact' and seq is not null and published_at is null and tenant_id <> all($1::uuid[])
 order by tenant_id, seq limit $2`;

type Key = Pick<FactRow, 'tenantId' | 'id'>;
const keysOf = (facts: readonly Key[]) => [facts.map(({ tenantId }) => tenantId), facts.map(({ id }) => id)] as const;
/** UUIDs in small letters order as text as they do in PostgreSQL. */
const byId = (a: Key, b: Key): number => (a.id < b.id ? -1 : 1);
