import { FixedClock, newId } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import type { LocalDate } from '#infra/time';
import {
  again,
  bookingAt,
  type Clinic,
  codeOf,
  instantAt,
  newClinic,
  openServices,
  type Services,
} from '../test/clinic.js';
import type { AppointmentId } from './appointment.js';
import type { LocationId, ServiceId } from './catalogue.js';
import type { ResourceId } from './resource.js';

const nine = '2026-12-01T09:15:00Z';
const day = '2026-12-01' as LocalDate;
const firstPage = { limit: 50, after: null };

let db: TestDatabases;
let services: Services;
const clock = new FixedClock(instantAt('2026-11-20T12:00:00Z'));
beforeAll(async () => {
  db = await openTestDatabases({ clock, env: { DB_POOL_MAX: '20' } });
  services = openServices(db);
});
afterAll(() => db?.close());
afterEach(() => clock.set(instantAt('2026-11-20T12:00:00Z')));

const book = (clinic: Clinic, start: string | number = nine) =>
  services.booking.book(again(clinic.ctx), bookingAt(clinic, start));

describe('things of another tenant', () => {
  it('and things that do not exist are the same 404, wherever their id stands', async () => {
    const [mine, other] = [await newClinic(db, services), await newClinic(db, services)];
    const theirs = await book(other);
    const { ctx } = mine;
    const own = bookingAt(mine, nine);
    const start = own.start;
    const schedule = [{ validFrom: day, validTo: null, rules: [] }];
    const block = { startMin: 0, endMin: 10, reason: 'other' } as const;
    const range = { from: day, to: day };
    const calls: readonly (readonly [
      string,
      (ids: {
        location: LocationId;
        service: ServiceId;
        resource: ResourceId;
        visit: AppointmentId;
      }) => Promise<unknown>,
    ])[] = [
      ['location', ({ location }) => services.catalogue.location(ctx, location)],
      ['location', ({ location }) => services.catalogue.changeLocation(ctx, location, 1, { name: 'x' })],
      [
        'location',
        ({ location }) =>
          services.catalogue.createResource(ctx, { locationId: location, kind: 'room', name: 'x', capacity: 1 }),
      ],
      ['location', ({ location }) => services.booking.book(ctx, { ...own, locationId: location })],
      [
        'location',
        ({ location }) =>
          services.availability.find(ctx, { serviceId: mine.serviceId, locationId: location, ...range }),
      ],
      ['location', ({ location }) => services.catalogue.resources(ctx, { locationId: location }, firstPage)],
      ['location', ({ location }) => services.appointments.list(ctx, { locationId: location }, firstPage)],
      ['resource', ({ resource }) => services.appointments.list(ctx, { resourceId: resource }, firstPage)],
      ['service', ({ service }) => services.catalogue.service(ctx, service)],
      ['service', ({ service }) => services.catalogue.changeService(ctx, service, 1, { name: 'x' })],
      ['service', ({ service }) => services.catalogue.putSkill(ctx, mine.resourceIds[0]!, service)],
      ['service', ({ service }) => services.catalogue.removeSkill(ctx, mine.resourceIds[0]!, service)],
      ['service', ({ service }) => services.booking.book(ctx, { ...own, serviceId: service })],
      ['service', ({ service }) => services.availability.find(ctx, { serviceId: service, ...range })],
      [
        'service',
        ({ service }) => services.availability.find(ctx, { serviceId: service, locationId: mine.locationId, ...range }),
      ],
      ['resource', ({ resource }) => services.catalogue.resource(ctx, resource)],
      ['resource', ({ resource }) => services.catalogue.changeResource(ctx, resource, 2, { name: 'x' })],
      ['resource', ({ resource }) => services.catalogue.skills(ctx, resource)],
      ['resource', ({ resource }) => services.catalogue.putSkill(ctx, resource, mine.serviceId)],
      ['resource', ({ resource }) => services.catalogue.removeSkill(ctx, resource, mine.serviceId)],
      ['resource', ({ resource }) => services.calendar.schedule(ctx, resource)],
      ['resource', ({ resource }) => services.calendar.putSchedule(ctx, resource, 2, schedule)],
      ['resource', ({ resource }) => services.calendar.overrides(ctx, resource, day, day)],
      ['resource', ({ resource }) => services.calendar.putOverride(ctx, resource, { date: day, open: [] })],
      ['override', ({ resource }) => services.calendar.deleteOverride(ctx, resource, day)],
      ['resource', ({ resource }) => services.calendar.blocks(ctx, resource, 0, firstPage)],
      ['resource', ({ resource }) => services.calendar.createBlock(ctx, resource, block)],
      ['resource', ({ resource }) => services.booking.book(ctx, { ...own, providerId: resource })],
      [
        'resource',
        ({ resource }) =>
          services.availability.find(ctx, { serviceId: mine.serviceId, providerId: resource, ...range }),
      ],
      ['appointment', ({ visit }) => services.appointments.read(ctx, visit)],
      ['appointment', ({ visit }) => services.appointments.history(ctx, visit)],
      ['appointment', ({ visit }) => services.appointments.cancel(ctx, visit, 1, { reason: 'other' })],
      ['appointment', ({ visit }) => services.booking.reschedule(ctx, visit, 1, { start })],
    ];
    const foreign = {
      location: other.locationId,
      service: other.serviceId,
      resource: other.resourceIds[0]!,
      visit: theirs.id,
    };
    const unknown = {
      location: newId<LocationId>(),
      service: newId<ServiceId>(),
      resource: newId<ResourceId>(),
      visit: newId<AppointmentId>(),
    };
    for (const [noun, call] of calls) {
      const answers = await Promise.all(
        [call(foreign), call(unknown)].map((answer) => answer.catch((error: unknown) => error)),
      );
      for (const answer of answers)
        expect(answer).toMatchObject({ code: `${noun}.not_found`, kind: 'not_found', options: {} });
    }
    const block2 = await services.calendar.createBlock(other.ctx, other.resourceIds[1]!, { ...block, startMin: 5 });
    expect(await codeOf(services.calendar.deleteBlock(ctx, mine.resourceIds[1]!, block2.id))).toBe('block.not_found');
  });

  it('rows cannot be seen without a tenant', async () => {
    await book(await newClinic(db, services));
    const tables = [
      'location',
      'service',
      'resource',
      'resource_service',
      'schedule',
      'schedule_override',
      'block',
      'appointment',
      'appointment_resource',
      'appointment_history',
      'time_claim',
    ];
    for (const table of tables) expect([table, await db.asApp('shard-1', `select from ${table}`)]).toEqual([table, []]);
  });
});
