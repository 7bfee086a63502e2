import type { HotQuery } from '#infra/sharding';
import type { LocalDate } from '#infra/time';
import { AnalyticsRepository } from './analytics.repository.js';
import type { AppointmentId } from './appointment.js';
import { AppointmentsRepository } from './appointments.repository.js';
import { AvailabilityRepository } from './availability.repository.js';
import { CalendarRepository } from './calendar.repository.js';
import type { LocationId, ServiceId } from './catalogue.js';
import { CatalogueRepository } from './catalogue.repository.js';
import { publicCatalogueMax } from './public-catalogue.js';
import { PublicCatalogueRepository } from './public-catalogue.repository.js';
import type { ResourceId } from './resource.js';

const visits = new AppointmentsRepository();
const analytics = new AnalyticsRepository();
const catalogue = new CatalogueRepository();
const published = new PublicCatalogueRepository();
const calendar = new CalendarRepository();

const page = { limit: 50, after: null };
const minutesOf = (day: number) => day * 1_440;
/** A week of late 2026: a range like any other. */
const [fromMin, toMin] = [minutesOf(20_788), minutesOf(20_795)];
const month = { from: '2026-12-01' as LocalDate, to: '2026-12-31' as LocalDate };
const nobody = '00000000-0000-0000-0000-000000000000';

const lists = 'GET /api/v1/appointments';
const anyOf = (table: string) => `select id from ${table} where tenant_id = $1 limit 1`;

/** What `praxis explain` offers of this domain, and what the tests of plans walk. */
export const appointmentQueries: readonly HotQuery[] = [
  {
    name: 'appointments.by_start',
    place: 'shard',
    lists,
    run: (tx) => visits.list(tx, { fromMin, toMin }, page),
  },
  {
    name: 'appointments.by_location',
    place: 'shard',
    lists,
    pick: anyOf('location'),
    run: (tx, locationId: LocationId) => visits.list(tx, { locationId, fromMin, toMin }, page),
  },
  {
    name: 'appointments.by_status',
    place: 'shard',
    lists,
    run: (tx) => visits.list(tx, { status: 'booked', fromMin, toMin }, page),
  },
  {
    name: 'appointments.by_resource',
    place: 'shard',
    lists,
    pick: `select id from resource where tenant_id = $1 and kind = 'provider' limit 1`,
    run: (tx, resourceId: ResourceId) => visits.list(tx, { resourceId, fromMin, toMin }, page),
  },
  {
    name: 'appointments.one',
    place: 'shard',
    pick: anyOf('appointment'),
    run: (tx, id: AppointmentId) => visits.read(tx, id),
  },
  {
    name: 'appointments.history',
    place: 'shard',
    pick: anyOf('appointment'),
    run: (tx, id: AppointmentId) => visits.history(tx, id, 200),
  },
  {
    name: 'appointments.availability',
    place: 'shard',
    pick: anyOf('service'),
    run: (tx, serviceId: ServiceId) =>
      new AvailabilityRepository().load(tx, {
        serviceId,
        locationId: nobody as LocationId,
        providerId: null,
        fromMin,
        toMin,
      }),
  },
  {
    name: 'analytics.visits',
    place: 'shard',
    run: (tx) => analytics.visits(tx, month),
  },
  {
    name: 'analytics.visits_at_location',
    place: 'shard',
    pick: anyOf('location'),
    run: (tx, locationId: LocationId) => analytics.visits(tx, { ...month, locationId }),
  },
  {
    name: 'locations.all',
    place: 'shard',
    lists: 'GET /api/v1/locations',
    run: (tx) => catalogue.locations(tx, page),
  },
  {
    name: 'services.all',
    place: 'shard',
    lists: 'GET /api/v1/services',
    run: (tx) => catalogue.services(tx, page),
  },
  {
    name: 'catalogue.publication',
    place: 'shard',
    run: (tx) => published.publication(tx),
  },
  {
    name: 'catalogue.public_services',
    place: 'shard',
    lists: 'GET /api/v1/catalogues/{id}/services',
    run: (tx) => published.services(tx, publicCatalogueMax),
  },
  {
    name: 'catalogue.public_locations',
    place: 'shard',
    lists: 'GET /api/v1/catalogues/{id}/locations',
    run: (tx) => published.locations(tx, publicCatalogueMax),
  },
  {
    name: 'resources.all',
    place: 'shard',
    lists: 'GET /api/v1/resources',
    run: (tx) => catalogue.resources(tx, {}, page),
  },
  {
    name: 'blocks.of_resource',
    place: 'shard',
    lists: 'GET /api/v1/resources/{id}/blocks',
    pick: anyOf('resource'),
    run: (tx, id: ResourceId) => calendar.blocks(tx, id, fromMin, page),
  },
];
