import type { ReadContext } from '#infra/sharding';
import { addDays, dateOfLocalMin } from '#infra/time';
import type { LocationId, ServiceId } from './catalogue.js';
import type { LoadedPlan } from './plan.js';
import type { ResourceId } from './resource.js';

export interface PlanQuery {
  readonly serviceId: ServiceId;
  readonly locationId: LocationId;
  readonly providerId: ResourceId | null;
  /** Whatever can matter for starts in [fromMin, toMin). */
  readonly fromMin: number;
  readonly toMin: number;
}

/** A window of an earlier day can be open still, and a local date differs from the UTC date by at most one. */
const marginDays = 3;

const utcDate = (minute: number, days: number) => addDays(dateOfLocalMin(minute), days);

/** The statements that free time is computed from. */
export class AvailabilityRepository {
  /** Everything that one decision about a service at a location needs, in one statement. */
  async load(tx: ReadContext, { serviceId, locationId, providerId, fromMin, toMin }: PlanQuery): Promise<LoadedPlan> {
    const rows = await tx.db.query<LoadedPlan>(loadPlan, [
      tx.tenant.id,
      serviceId,
      locationId,
      providerId,
      fromMin,
      toMin,
      utcDate(fromMin, -marginDays),
      utcDate(toMin, marginDays),
    ]);
    return rows[0] as LoadedPlan;
  }

  /** Locations with a resource for this service, at most two: none, the one, or several. */
  async locationsOf(tx: ReadContext, serviceId: ServiceId): Promise<readonly LocationId[]> {
    const rows = await tx.db.query<{ id: LocationId }>(
      `select distinct r.location_id as id
         from resource_service rs join resource r on r.tenant_id = rs.tenant_id and r.id = rs.resource_id
        where rs.tenant_id = $1 and rs.service_id = $2 and r.active
        order by 1 limit 2`,
      [tx.tenant.id, serviceId],
    );
    return rows.map(({ id }) => id);
  }
}

/**
 * $1 tenant, $2 service, $3 location, $4 provider or null, $5 and $6 the starts' range in UTC minutes, $7 and $8 the dates
 * around it. `busy`: for each candidate, in the order of `candidates`, the length of its part (4 bytes) and for each claim
 * start (4), end (4) and lane (2), big-endian. Claims are at most 1440 minutes long.
 *
 * Each candidate is one range of the btree `claim_read`. Between two rows that name the same resource lies nothing but
 * that resource; said as `resource_id =`, PostgreSQL would rather scan all its claims ever in the GiST index of
 * `no_overlap` whenever it believes that they are few: in an empty table, and with many tenants. The bounds of start_min
 * alone say again how little is wanted. Elsewhere, correlated subqueries in the order of an index do the same.
 */
const loadPlan = `
with offered as materialized (
  select id, name, duration_min as "durationMin", segments, grid_step_min as "gridStepMin", grid_anchor as "gridAnchor",
         notice_min as "noticeMin", horizon_days as "horizonDays", active,
         $5::int - reach_before_min as taken_from, $6::int + reach_after_min as taken_to
    from service where tenant_id = $1 and id = $2
), candidate as materialized (
  select r.id, r.kind, r.capacity
    from resource_service rs
         cross join lateral (select id, kind, capacity, location_id, active from resource
                              where tenant_id = rs.tenant_id and id = rs.resource_id offset 0) r
   where rs.tenant_id = $1 and rs.service_id = $2 and r.location_id = $3 and r.active
   order by r.id limit 201
), considered as (
  select c.id, c.kind, c.capacity,
         (select true from schedule where tenant_id = $1 and resource_id = c.id order by valid_from limit 1) as scheduled,
         (select json_agg(json_build_object('validFrom', s.valid_from, 'validTo', s.valid_to, 'rules', s.rules))
            from (select valid_from, valid_to, rules from schedule
                   where tenant_id = $1 and resource_id = c.id
                     and valid_from <= $8::date and (valid_to is null or valid_to > $7::date)
                   order by valid_from) s) as schedules,
         (select json_agg(json_build_object('date', o.local_date, 'open', o.open))
            from schedule_override o
           where o.tenant_id = $1 and o.resource_id = c.id
             and o.local_date >= $7::date and o.local_date <= $8::date) as overrides,
         coalesce((select string_agg(int4send(t.start_min) || int4send(t.end_min) || int2send(t.lane), ''::bytea)
            from time_claim t
           where t.tenant_id = $1
             and (t.resource_id, t.start_min) > (c.id, f.taken_from - 1440)
             and (t.resource_id, t.start_min) < (c.id, f.taken_to)
             and t.start_min > f.taken_from - 1440 and t.start_min < f.taken_to and t.end_min > f.taken_from
         ), ''::bytea) as busy
    from candidate c cross join offered f
)
select (select row_to_json(f) from offered f) as service,
       (select json_build_object('id', l.id, 'name', l.name, 'tz', l.tz, 'active', l.active)
          from location l where l.tenant_id = $1 and l.id = $3) as location,
       (select p.kind from resource p where p.tenant_id = $1 and p.id = $4) as "providerKind",
       (select json_agg(json_build_object('id', k.id, 'kind', k.kind, 'capacity', k.capacity, 'scheduled', k.scheduled,
          'schedules', k.schedules, 'overrides', k.overrides) order by k.id) from considered k) as candidates,
       (select string_agg(int4send(octet_length(k.busy)) || k.busy, ''::bytea order by k.id) from considered k) as busy`;
