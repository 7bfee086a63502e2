import type { ReadContext } from '#infra/sharding';
import type { CountedVisits, VisitRange } from './analytics.js';

/**
 * Counted once by day, service and status, from the index alone; then by day and by service. `minutes` stays within 2^53:
 * an int for each visit.
 */
const countedWhere = (more: string): string => `
  with counted as (
    select local_start::date as date, service_id, status, count(*) as visits, sum(duration_min) as minutes
      from appointment
     where tenant_id = $1 and local_start >= $2::timestamp and local_start < $3::timestamp + interval '1 day' ${more}
     group by 1, 2, 3
  )
  select date, service_id as "serviceId", status, sum(visits)::int as visits, sum(minutes)::float8 as minutes
    from counted group by grouping sets ((date, status), (service_id, status))`;

const ofAll = countedWhere('');
const ofLocation = countedWhere('and location_id = $4');

/** Every statement that counts visits. */
export class AnalyticsRepository {
  async visits(tx: ReadContext, { from, to, locationId }: VisitRange): Promise<readonly CountedVisits[]> {
    const range = [tx.tenant.id, from, to];
    return locationId === undefined
      ? tx.db.query<CountedVisits>(ofAll, range)
      : tx.db.query<CountedVisits>(ofLocation, [...range, locationId]);
  }
}
