import { type Instant, newId, type Page, type PageRequest, toDate } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, violatedConstraint, type WriteContext } from '#infra/sharding';
import { fail } from './appointments.errors.js';
import {
  type Location,
  type LocationId,
  type Resource,
  type ResourceFilter,
  reachOf,
  type Service,
  type ServiceId,
} from './catalogue.js';
import type { ResourceId } from './resource.js';

const locationColumns = 'id, name, tz, active, version';
const serviceColumns = `id, name, duration_min as "durationMin", segments,
  json_build_object('stepMin', grid_step_min, 'anchor', grid_anchor) as grid,
  notice_min as "noticeMin", horizon_days as "horizonDays", active, version`;
const resourceColumns = 'id, location_id as "locationId", kind, name, capacity, active, version';

const byCreation = <Id>(): Keyset<{ readonly id: Id }, Id> => ({
  columns: ['id'],
  keyOf: ({ id }) => id,
  valuesOf: (id) => [id],
});

/** Every statement about locations, services, resources and skills. Lists go in order of creation. */
export class CatalogueRepository {
  async insertLocation(tx: WriteContext, location: Location, at: Instant): Promise<void> {
    const { id, name, tz, active, version } = location;
    await tx.db.execute(
      `insert into location (tenant_id, id, name, tz, active, version, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $7, $7)`,
      [tx.tenant.id, id, name, tz, active, version, toDate(at)],
    );
  }

  async location(tx: ReadContext, id: LocationId): Promise<Location | undefined> {
    const sql = `select ${locationColumns} from location where tenant_id = $1 and id = $2`;
    return (await tx.db.query<Location>(sql, [tx.tenant.id, id]))[0];
  }

  async locationForUpdate(tx: WriteContext, id: LocationId): Promise<Location | undefined> {
    const sql = `select ${locationColumns} from location where tenant_id = $1 and id = $2 for update`;
    return (await tx.db.query<Location>(sql, [tx.tenant.id, id]))[0];
  }

  async locations(tx: ReadContext, page: PageRequest<LocationId>): Promise<Page<Location, LocationId>> {
    const select = `select ${locationColumns} from location where tenant_id = $1`;
    return listed<Location, LocationId>(tx.db, { select, values: [tx.tenant.id] }, byCreation(), page);
  }

  async updateLocation(tx: WriteContext, { id, name, active, version }: Location, at: Instant): Promise<void> {
    await tx.db.execute(
      'update location set name = $3, active = $4, version = $5, updated_at = $6 where tenant_id = $1 and id = $2',
      [tx.tenant.id, id, name, active, version, toDate(at)],
    );
  }

  async insertService(tx: WriteContext, service: Service, at: Instant): Promise<void> {
    await tx.db.execute(
      `insert into service (tenant_id, id, name, duration_min, segments, reach_before_min, reach_after_min,
         grid_step_min, grid_anchor, notice_min, horizon_days, active, version, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)`,
      serviceRow(tx, service, at),
    );
  }

  async service(tx: ReadContext, id: ServiceId): Promise<Service | undefined> {
    const sql = `select ${serviceColumns} from service where tenant_id = $1 and id = $2`;
    return (await tx.db.query<Service>(sql, [tx.tenant.id, id]))[0];
  }

  async serviceForUpdate(tx: WriteContext, id: ServiceId): Promise<Service | undefined> {
    const sql = `select ${serviceColumns} from service where tenant_id = $1 and id = $2 for update`;
    return (await tx.db.query<Service>(sql, [tx.tenant.id, id]))[0];
  }

  async services(tx: ReadContext, page: PageRequest<ServiceId>): Promise<Page<Service, ServiceId>> {
    const select = `select ${serviceColumns} from service where tenant_id = $1`;
    return listed<Service, ServiceId>(tx.db, { select, values: [tx.tenant.id] }, byCreation(), page);
  }

  async updateService(tx: WriteContext, service: Service, at: Instant): Promise<void> {
    await tx.db.execute(
      `update service set name = $3, duration_min = $4, segments = $5, reach_before_min = $6, reach_after_min = $7,
         grid_step_min = $8, grid_anchor = $9, notice_min = $10, horizon_days = $11, active = $12, version = $13,
         updated_at = $14
       where tenant_id = $1 and id = $2`,
      serviceRow(tx, service, at),
    );
  }

  async insertResource(tx: WriteContext, resource: Resource, at: Instant): Promise<void> {
    const { id, locationId, kind, name, capacity, active, version } = resource;
    const inserted = tx.db.execute(
      `insert into resource (tenant_id, id, location_id, kind, name, capacity, active, version, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`,
      [tx.tenant.id, id, locationId, kind, name, capacity, active, version, toDate(at)],
    );
    await inserted.catch((error: unknown) => {
      throw violatedConstraint(error) === 'resource_location' ? fail('location.not_found') : error;
    });
  }

  async resource(tx: ReadContext, id: ResourceId): Promise<Resource | undefined> {
    const sql = `select ${resourceColumns} from resource where tenant_id = $1 and id = $2`;
    return (await tx.db.query<Resource>(sql, [tx.tenant.id, id]))[0];
  }

  /** A resource, and the zone of its location. */
  async resourceInZone(tx: ReadContext, id: ResourceId): Promise<(Resource & { readonly tz: string }) | undefined> {
    const sql = `select ${resourceColumns},
        (select l.tz from location l where l.tenant_id = $1 and l.id = location_id) as tz
      from resource where tenant_id = $1 and id = $2`;
    return (await tx.db.query<Resource & { readonly tz: string }>(sql, [tx.tenant.id, id]))[0];
  }

  async resourceForUpdate(tx: WriteContext, id: ResourceId): Promise<Resource | undefined> {
    const sql = `select ${resourceColumns} from resource where tenant_id = $1 and id = $2 for update`;
    return (await tx.db.query<Resource>(sql, [tx.tenant.id, id]))[0];
  }

  async resources(
    tx: ReadContext,
    filter: ResourceFilter,
    page: PageRequest<ResourceId>,
  ): Promise<Page<Resource, ResourceId>> {
    const select = `select ${resourceColumns} from resource
      where tenant_id = $1 and ($2::uuid is null or location_id = $2) and ($3::text is null or kind = $3)`;
    const values = [tx.tenant.id, filter.locationId ?? null, filter.kind ?? null];
    return listed<Resource, ResourceId>(tx.db, { select, values }, byCreation(), page);
  }

  async updateResource(tx: WriteContext, resource: Resource, at: Instant): Promise<void> {
    const { id, name, capacity, active, version } = resource;
    await tx.db.execute(
      `update resource set name = $3, capacity = $4, active = $5, version = $6, updated_at = $7
        where tenant_id = $1 and id = $2`,
      [tx.tenant.id, id, name, capacity, active, version, toDate(at)],
    );
  }

  /** False where the skill was there before. */
  async addSkill(tx: WriteContext, resourceId: ResourceId, serviceId: ServiceId, at: Instant): Promise<boolean> {
    const inserted = tx.db.execute(
      `insert into resource_service (tenant_id, id, resource_id, service_id, created_at) values ($1, $2, $3, $4, $5)
       on conflict (tenant_id, service_id, resource_id) do nothing`,
      [tx.tenant.id, newId(), resourceId, serviceId, toDate(at)],
    );
    const rows = await inserted.catch((error: unknown) => {
      const constraint = violatedConstraint(error);
      if (constraint === 'resource_service_resource') throw fail('resource.not_found');
      throw constraint === 'resource_service_service' ? fail('service.not_found') : error;
    });
    return rows === 1;
  }

  /** False where there was no such skill. */
  async removeSkill(tx: WriteContext, resourceId: ResourceId, serviceId: ServiceId): Promise<boolean> {
    const rows = await tx.db.execute(
      'delete from resource_service where tenant_id = $1 and resource_id = $2 and service_id = $3',
      [tx.tenant.id, resourceId, serviceId],
    );
    return rows === 1;
  }

  /** In order of the services' ids, at most `most`. */
  async skillsOf(tx: ReadContext, resourceId: ResourceId, most: number): Promise<readonly ServiceId[]> {
    const rows = await tx.db.query<{ serviceId: ServiceId }>(
      `select service_id as "serviceId" from resource_service where tenant_id = $1 and resource_id = $2
        order by service_id limit $3`,
      [tx.tenant.id, resourceId, most],
    );
    return rows.map(({ serviceId }) => serviceId);
  }
}

function serviceRow(tx: WriteContext, service: Service, at: Instant): unknown[] {
  const { id, name, durationMin, segments, grid, noticeMin, horizonDays, active, version } = service;
  const { beforeMin, afterMin } = reachOf(service);
  return [
    tx.tenant.id,
    id,
    name,
    durationMin,
    JSON.stringify(segments),
    beforeMin,
    afterMin,
    grid.stepMin,
    grid.anchor,
    noticeMin,
    horizonDays,
    active,
    version,
    toDate(at),
  ];
}
