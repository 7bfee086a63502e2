import { FixedClock, newId } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import type { LocalDate } from '#infra/time';
import {
  again,
  bookingAt,
  type Clinic,
  codeOf,
  everyDay,
  instantAt,
  laser,
  minuteAt,
  newClinic,
  openServices,
  type Services,
} from '../test/clinic.js';
import type { BlockId } from './block.js';
import { seedClinic } from './seed-clinic.js';

const day = '2026-12-01' as LocalDate;
const at = (time: string): number => minuteAt(`2026-12-01T${time}:00Z`);

let db: TestDatabases;
let services: Services;
beforeAll(async () => {
  db = await openTestDatabases({ clock: new FixedClock(instantAt('2026-11-20T12:00:00Z')) });
  services = openServices(db);
});
afterAll(() => db?.close());

const startsOn = async ({ ctx, serviceId }: Clinic, date: LocalDate = day): Promise<readonly number[]> =>
  (await services.availability.find(again(ctx), { serviceId, from: date, to: date })).starts.map(
    (start) => start.startMin,
  );
const book = (clinic: Clinic, time: string) =>
  services.booking.book(again(clinic.ctx), bookingAt(clinic, `2026-12-01T${time}:00Z`));

describe('a resource’s hours', () => {
  it('are those of the dated schedule that is valid on the day', async () => {
    const clinic = await newClinic(db, services);
    const [provider] = clinic.resourceIds;
    const from = (validFrom: string, validTo: string | null, opens: number) => ({
      validFrom: validFrom as LocalDate,
      validTo: validTo as LocalDate | null,
      rules: everyDay(opens, opens + 60),
    });
    const schedules = [from('2026-01-01', '2026-12-01', 600), from('2026-12-01', null, 840)];
    const put = await services.calendar.putSchedule(clinic.ctx, provider!, 2, schedules);
    expect(put.version).toBe(3);
    expect(await services.calendar.schedule(clinic.ctx, provider!)).toEqual({ version: 3, schedules });
    expect(await startsOn(clinic, '2026-11-30' as LocalDate)).toEqual([
      minuteAt('2026-11-30T10:00:00Z'),
      minuteAt('2026-11-30T10:15:00Z'),
      minuteAt('2026-11-30T10:30:00Z'),
    ]);
    expect(await startsOn(clinic)).toEqual([at('14:00'), at('14:15'), at('14:30')]);
  });

  it('cannot be two at once, nor be changed by somebody who read an older version', async () => {
    const clinic = await newClinic(db, services);
    const [provider] = clinic.resourceIds;
    const open = (validFrom: string, validTo: string | null) => ({
      validFrom: validFrom as LocalDate,
      validTo: validTo as LocalDate | null,
      rules: everyDay(0, 60),
    });
    const put = (version: number, ...schedules: ReturnType<typeof open>[]) =>
      codeOf(services.calendar.putSchedule(again(clinic.ctx), provider!, version, schedules));
    const before = await services.calendar.schedule(clinic.ctx, provider!);
    expect(await put(2, open('2026-01-01', '2026-06-02'), open('2026-06-01', null))).toBe('schedule.overlap');
    expect(await put(1)).toBe('resource.version_conflict');
    expect(await services.calendar.schedule(clinic.ctx, provider!)).toEqual(before);
  });

  it('give way to an override on its day only, until that is taken back', async () => {
    const clinic = await newClinic(db, services);
    const [provider, , device] = clinic.resourceIds;
    await services.calendar.putOverride(clinic.ctx, provider!, { date: day, open: [{ opens: 600, closes: 645 }] });
    expect(await startsOn(clinic)).toEqual([at('10:00'), at('10:15')]);
    await services.calendar.putOverride(clinic.ctx, device!, { date: day, open: [] });
    expect(await startsOn(clinic)).toEqual([]);
    expect(await codeOf(book(clinic, '10:00'))).toBe('appointment.outside_hours');
    await services.calendar.deleteOverride(clinic.ctx, device!, day);
    await services.calendar.putOverride(clinic.ctx, provider!, { date: day, open: [{ opens: 700, closes: 731 }] });
    expect(await startsOn(clinic)).toEqual([]);
    expect(await services.calendar.overrides(clinic.ctx, provider!, day, day)).toEqual([
      { date: day, open: [{ opens: 700, closes: 731 }] },
    ]);
    await services.calendar.deleteOverride(clinic.ctx, provider!, day);
    expect(await startsOn(clinic)).toHaveLength(29);
    expect(await codeOf(services.calendar.deleteOverride(clinic.ctx, provider!, day))).toBe('override.not_found');
  });

  it('are not needed of a room or a device; a provider without hours is never there', async () => {
    const service = { ...laser, segments: laser.segments.filter(({ kind }) => kind !== 'device') };
    const clinic = await newClinic(db, services, { service, staff: [{ kind: 'provider' }] });
    const { id: room } = await services.catalogue.createResource(clinic.ctx, {
      locationId: clinic.locationId,
      kind: 'room',
      name: 'Room',
      capacity: 1,
    });
    await services.catalogue.putSkill(clinic.ctx, room, clinic.serviceId);
    expect(await startsOn(clinic)).toHaveLength(31);
    await services.calendar.putSchedule(clinic.ctx, clinic.resourceIds[0]!, 2, []);
    expect(await startsOn(clinic)).toEqual([]);
  });
});

describe('a block', () => {
  const block = (startMin: number, endMin: number) => ({ startMin, endMin, reason: 'time_off' }) as const;

  it('takes the resource away, is listed, and gives its time back when it is deleted', async () => {
    const clinic = await newClinic(db, services);
    const [provider, room] = clinic.resourceIds;
    const made = await services.calendar.createBlock(clinic.ctx, provider!, block(at('09:00'), at('16:15')));
    expect(await startsOn(clinic)).toEqual([at('16:15')]);
    expect(await codeOf(book(clinic, '10:00'))).toBe('appointment.slot_taken');
    const listed = (id = provider!, fromMin = 0) =>
      services.calendar.blocks(clinic.ctx, id, fromMin, { limit: 1, after: null });
    expect((await listed()).items).toEqual([made]);
    expect((await listed(provider, at('16:15'))).items).toEqual([]);
    expect((await listed(room)).items).toEqual([]);
    expect(await codeOf(services.calendar.deleteBlock(clinic.ctx, room!, made.id))).toBe('block.not_found');
    expect(await codeOf(services.calendar.deleteBlock(clinic.ctx, provider!, newId<BlockId>()))).toBe(
      'block.not_found',
    );
    await services.calendar.deleteBlock(clinic.ctx, provider!, made.id);
    expect(await startsOn(clinic)).toHaveLength(29);
  });

  it('of weeks is one block, and holds every lane on every day', async () => {
    const clinic = await newClinic(db, services, {
      staff: [{ kind: 'provider' }, { kind: 'room' }, { kind: 'device', capacity: 3 }],
    });
    const device = clinic.resourceIds[2]!;
    await services.calendar.createBlock(clinic.ctx, device, block(at('12:00'), at('12:00') + 21 * 1_440));
    expect(await startsOn(clinic)).toEqual((await startsOn(clinic)).filter((start) => start < at('12:00')));
    expect(await startsOn(clinic, '2026-12-10' as LocalDate)).toEqual([]);
    const [{ pieces } = { pieces: 0 }] = await db.asAdmin<{ pieces: number }>(
      'shard-1',
      'select count(*)::int as pieces from time_claim where resource_id = $1',
      [device],
    );
    expect(pieces).toBe(63);
    expect(
      await codeOf(services.calendar.createBlock(clinic.ctx, device, block(at('09:00'), at('09:00') + 1_440 * 1_400))),
    ).toBe('block.too_large');
  });

  it('is refused where something is booked, naming what stands in the way, and takes nothing', async () => {
    const clinic = await newClinic(db, services);
    const [provider] = clinic.resourceIds;
    const visit = await book(clinic, '11:00');
    const away = await services.calendar.createBlock(clinic.ctx, provider!, block(at('13:00'), at('14:00')));
    const refused = services.calendar.createBlock(again(clinic.ctx), provider!, block(at('09:00'), at('17:00')));
    await expect(refused).rejects.toMatchObject({
      code: 'block.conflicts',
      options: {
        extra: {
          conflicts: [
            { kind: 'appointment', id: visit.id, start: '2026-12-01T11:00:00+00:00', end: '2026-12-01T11:30:00+00:00' },
            { kind: 'block', id: away.id, start: '2026-12-01T13:00:00+00:00', end: '2026-12-01T14:00:00+00:00' },
          ],
        },
      },
    });
    expect(await startsOn(clinic)).toContain(at('15:00'));
  });

  it('holds the lanes too that the resource is given later', async () => {
    const staff = [{ kind: 'provider', capacity: 3 }, { kind: 'room', capacity: 3 }, { kind: 'device' }] as const;
    const clinic = await newClinic(db, services, { staff });
    const device = clinic.resourceIds[2]!;
    await services.calendar.createBlock(clinic.ctx, device, block(at('09:00'), at('16:00')));
    await services.catalogue.changeResource(clinic.ctx, device, 2, { capacity: 3 });
    const starts = await startsOn(clinic);
    expect(starts[0]).toBe(at('16:00'));
    for (let lane = 0; lane < 3; lane += 1) await book(clinic, '16:00');
    expect(await codeOf(book(clinic, '16:00'))).toBe('appointment.slot_taken');
  });
});

describe('the catalogue', () => {
  it('changes by version: a stale reader is told, and the thing keeps what it had', async () => {
    const { ctx, locationId, serviceId, resourceIds } = await newClinic(db, services);
    const [resource] = resourceIds;
    expect(await services.catalogue.changeLocation(ctx, locationId, 1, { name: 'Harbour' })).toMatchObject({
      name: 'Harbour',
      version: 2,
    });
    expect(await services.catalogue.changeService(ctx, serviceId, 1, { durationMin: 45 })).toMatchObject({
      durationMin: 45,
      version: 2,
      name: laser.name,
    });
    expect(await services.catalogue.changeResource(ctx, resource!, 2, { name: 'Ada' })).toMatchObject({
      name: 'Ada',
      version: 3,
      capacity: 1,
    });
    const stale = [
      services.catalogue.changeLocation(ctx, locationId, 1, { name: 'x' }),
      services.catalogue.changeService(ctx, serviceId, 1, { name: 'x' }),
      services.catalogue.changeResource(ctx, resource!, 2, { name: 'x' }),
    ];
    for (const [n, noun] of ['location', 'service', 'resource'].entries())
      expect(await codeOf(stale[n]!)).toBe(`${noun}.version_conflict`);
    expect(await services.catalogue.service(ctx, serviceId)).toMatchObject({ ...laser, durationMin: 45, version: 2 });
  });

  it('lists page by page in order of creation, resources by location and kind', async () => {
    const { ctx, locationId } = await newClinic(db, services);
    const { id: other } = await services.catalogue.createLocation(ctx, { name: 'Annex', tz: 'America/New_York' });
    const first = await services.catalogue.locations(ctx, { limit: 1, after: null });
    expect(first.items.map(({ id }) => id)).toEqual([locationId]);
    const next = await services.catalogue.locations(ctx, { limit: 1, after: first.next });
    expect(next).toMatchObject({ items: [{ id: other, name: 'Annex', tz: 'America/New_York' }], next: null });
    const kinds = async (filter: object) =>
      (await services.catalogue.resources(ctx, filter, { limit: 50, after: null })).items.map(({ kind }) => kind);
    expect(await kinds({})).toEqual(['provider', 'room', 'device']);
    expect(await kinds({ kind: 'room' })).toEqual(['room']);
    expect(await kinds({ locationId: other })).toEqual([]);
  });

  it('offers nothing that is not active or has lost its skill', async () => {
    const clinic = await newClinic(db, services);
    const [provider, room] = clinic.resourceIds;
    await services.catalogue.removeSkill(clinic.ctx, room!, clinic.serviceId);
    expect(await services.catalogue.skills(clinic.ctx, room!)).toEqual([]);
    expect(await startsOn(clinic)).toEqual([]);
    expect(await codeOf(book(clinic, '10:00'))).toBe('appointment.no_room');
    await services.catalogue.putSkill(clinic.ctx, room!, clinic.serviceId);
    await services.catalogue.putSkill(clinic.ctx, room!, clinic.serviceId);
    expect(await services.catalogue.skills(clinic.ctx, room!)).toEqual([clinic.serviceId]);
    await services.catalogue.changeResource(clinic.ctx, provider!, 2, { active: false });
    expect(await codeOf(book(clinic, '10:00'))).toBe('appointment.no_provider');
    await services.catalogue.changeService(clinic.ctx, clinic.serviceId, 1, { active: false });
    expect(await codeOf(book(clinic, '10:00'))).toBe('service.inactive');
    expect(await codeOf(startsOn(clinic))).toBe('service.inactive');
  });

  it('a zone that nobody knows is refused', async () => {
    const ctx = await db.newTenant();
    expect(await codeOf(services.catalogue.createLocation(ctx, { name: 'Nowhere', tz: 'Mars/Olympus' }))).toBe(
      'location.unknown_zone',
    );
  });

  it('asks for the location where a service is offered at several, and for 92 days at most', async () => {
    const clinic = await newClinic(db, services);
    const { ctx, serviceId, locationId } = clinic;
    const find = (words: object) => services.availability.find(again(ctx), { serviceId, from: day, to: day, ...words });
    const range = (to: string) => codeOf(find({ to: to as LocalDate }));
    expect([await range('2026-11-30'), await range('2027-03-02'), await range('2027-03-03')]).toEqual([
      'availability.range_invalid',
      'done',
      'availability.range_invalid',
    ]);
    const { id: annex } = await services.catalogue.createLocation(ctx, { name: 'Annex', tz: 'UTC' });
    const { id: away } = await services.catalogue.createResource(ctx, {
      locationId: annex,
      kind: 'provider',
      name: 'Away',
      capacity: 1,
    });
    await services.catalogue.putSkill(ctx, away, serviceId);
    expect(await codeOf(find({}))).toBe('availability.location_required');
    expect((await find({ locationId })).starts).toHaveLength(29);
    expect((await find({ locationId: annex })).starts).toEqual([]);
  });
});

describe('the demo clinic', () => {
  it('can be booked, and is made once however often it is seeded', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-2' });
    const seeded = await seedClinic(ctx, services);
    expect(await seedClinic(ctx, services)).toEqual(seeded);
    expect(seeded.tz).toBe('America/Vancouver');
    const serviceId = seeded.serviceIds['Laser treatment']!;
    const { starts } = await services.availability.find(ctx, { serviceId, from: day, to: day });
    expect(starts.length).toBeGreaterThan(20);
    const start = starts[0]!.startMin * 60_000;
    const booked = await services.booking.book(ctx, {
      serviceId,
      locationId: seeded.locationId,
      start,
      client: { name: 'First' },
    });
    expect(booked.shares.map(({ kind }) => kind).sort()).toEqual(['device', 'provider', 'room']);
  });
});
