import type { Client } from 'pg';
import { postgresOf, type Run } from './stack.js';

/** What the tenant's shard holds, seen by the superuser past row-level security. */
export interface Wholeness {
  readonly booked: number;
  /** Booked visits that lack one of their parts or have one twice. */
  readonly halfDone: number;
  /** Parts of a booking whose visit is not there. */
  readonly orphans: number;
  /** Pairs of neighbouring claims on one lane of one resource that overlap. */
  readonly overlaps: number;
  readonly idempotencyRows: number;
}

/** Every visit of a load run takes a provider, a room and a device. */
export const claimsOfVisit = 3;

/**
 * Whole: three claims that equal three shares of three kinds, one version in the history, one fact in the outbox, one
 * audit event. Each part is grouped once, because the outbox has no index by key.
 */
const wholeness = `
with visit as (select id from appointment where tenant_id = $1 and status = 'booked'),
claim as (select appointment_id as id, count(*) as n from time_claim where tenant_id = $1 group by 1),
share as (select appointment_id as id, count(*) as n, count(distinct kind) as kinds
            from appointment_resource where tenant_id = $1 group by 1),
matched as (select c.appointment_id as id, count(*) as n
              from time_claim c join appointment_resource r using (tenant_id, appointment_id, resource_id, lane, start_min, end_min)
             where c.tenant_id = $1 group by 1),
history as (select appointment_id as id, count(*) as n, count(*) filter (where event = 'booked' and version = 1) as first
              from appointment_history where tenant_id = $1 group by 1),
fact as (select key::uuid as id, count(*) as n, count(*) filter (where name = 'appointment.booked') as booked
           from outbox where tenant_id = $1 and kind = 'fact' and key ~ '^[0-9a-f-]{36}$' group by 1),
event as (select resource_id as id, count(*) as n from audit_event
           where tenant_id = $1 and action = 'appointment.book' and outcome = 'success' group by 1),
checked as (
  select v.id, coalesce(claim.n = $2 and share.n = $2 and share.kinds = $2 and matched.n = $2 and history.n = 1
           and history.first = 1 and fact.n = 1 and fact.booked = 1 and event.n = 1, false) as whole
    from visit v left join claim using (id) left join share using (id) left join matched using (id)
    left join history using (id) left join fact using (id) left join event using (id)
)
select (select count(*) from visit)::int as booked,
       (select count(*) from checked where not whole)::int as "halfDone",
       (select count(*) from (select id from claim union all select id from share union all select id from history
          union all select id from fact union all select id from event) part
         where not exists (select from visit v where v.id = part.id))::int as orphans,
       (select count(*) from (select start_min < lag(end_min) over (partition by resource_id, lane order by start_min, end_min)
          as overlapping from time_claim where tenant_id = $1) pair where overlapping)::int as overlaps,
       (select count(*) from idempotency_key where tenant_id = $1 and route like '%/appointments')::int
         as "idempotencyRows"`;

export const inspect = ({ stack, server, database, tenantId }: Run): Promise<Wholeness> =>
  postgresOf({ stack, server }).asSuperuser((client) => inspectOn(client, tenantId), database);

/** The same, on a connection of a superuser to the tenant's shard. */
export async function inspectOn(client: Client, tenantId: string): Promise<Wholeness> {
  const { rows } = await client.query<Wholeness>(wholeness, [tenantId, claimsOfVisit]);
  const [found] = rows;
  if (found === undefined) throw new Error('the shard did not answer');
  return found;
}

/** One statement on the tenant's shard, as superuser. */
export async function sql<Row>(
  { stack, server, database }: Pick<Run, 'stack' | 'server' | 'database'>,
  text: string,
  parameters: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const postgres = postgresOf({ stack, server });
  return postgres.asSuperuser(async (client) => (await client.query(text, [...parameters])).rows as Row[], database);
}
