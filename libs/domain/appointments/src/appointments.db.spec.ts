import { FixedClock } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import {
  again,
  bookingAt,
  type Clinic,
  codeOf,
  disagreements,
  instantAt,
  minuteAt,
  newClinic,
  noDisagreements,
  openServices,
  rowsOf,
  type Services,
  startsOn,
} from '../test/clinic.js';
import type { AppointmentId } from './appointment.js';
import type { ResourceId } from './resource.js';

const nine = '2026-12-01T09:15:00Z';
const day = '2026-12-01';
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

describe('moving a visit', () => {
  it('keeps its id and its provider, raises its version, and holds as many claims as before', async () => {
    const clinic = await newClinic(db, services, {
      staff: [{ kind: 'provider' }, { kind: 'provider' }, { kind: 'room' }, { kind: 'device' }],
    });
    const booked = await book(clinic);
    const start = instantAt('2026-12-02T10:00:00Z');
    const moved = await services.booking.reschedule(clinic.ctx, booked.id, 1, { start });
    expect(moved).toMatchObject({ id: booked.id, version: 2, status: 'booked', startMin: start / 60_000 });
    const kinds = (shares: typeof moved.shares) => shares.map(({ kind, resourceId }) => [kind, resourceId]).sort();
    expect(kinds(moved.shares)).toEqual(kinds(booked.shares));
    expect(await startsOn(services, clinic, day)).toContain(minuteAt(nine));
    expect(await disagreements(db, clinic)).toEqual(noDisagreements);
  });

  it('may overlap the time it had', async () => {
    const clinic = await newClinic(db, services);
    const booked = await book(clinic);
    const moved = await services.booking.reschedule(clinic.ctx, booked.id, 1, {
      start: instantAt('2026-12-01T09:30:00Z'),
    });
    expect(moved.startMin).toBe(minuteAt('2026-12-01T09:30:00Z'));
    expect(await disagreements(db, clinic)).toEqual(noDisagreements);
  });

  it('that is refused leaves every row as it was, and says what is free', async () => {
    const clinic = await newClinic(db, services);
    const booked = await book(clinic);
    await book(clinic, '2026-12-01T11:00:00Z');
    const before = await rowsOf(db, clinic);
    const to = (start: string) =>
      services.booking.reschedule(again(clinic.ctx), booked.id, 1, { start: instantAt(start) });
    const refused = await to('2026-12-01T11:00:00Z').catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: 'appointment.slot_taken',
      options: { extra: { alternatives: expect.arrayContaining(['2026-12-01T10:15:00+00:00']) } },
    });
    expect(await codeOf(to('2026-12-01T20:00:00Z'))).toBe('appointment.outside_hours');
    expect(await rowsOf(db, clinic)).toEqual(before);
  });

  it('to another provider, to anyone, or not at all where the one it has is taken', async () => {
    const clinic = await newClinic(db, services, {
      staff: [
        { kind: 'provider' },
        { kind: 'provider' },
        { kind: 'room', capacity: 2 },
        { kind: 'device', capacity: 2 },
      ],
    });
    const [ada, noor] = clinic.resourceIds as [ResourceId, ResourceId];
    const start = instantAt('2026-12-01T11:00:00Z');
    await services.booking.book(clinic.ctx, { ...bookingAt(clinic, start), providerId: ada });
    const visit = await services.booking.book(clinic.ctx, { ...bookingAt(clinic, nine), providerId: ada });
    const move = (version: number, words: object) =>
      services.booking.reschedule(again(clinic.ctx), visit.id, version, { start, ...words });
    expect(await codeOf(move(1, {}))).toBe('appointment.slot_taken');
    const moved = await move(1, { anyProvider: true });
    expect(moved.shares.find(({ kind }) => kind === 'provider')?.resourceId).toBe(noor);
    const back = await move(2, { start: instantAt(nine), providerId: ada });
    expect(back.shares.find(({ kind }) => kind === 'provider')?.resourceId).toBe(ada);
  });
});

describe('a change of a visit', () => {
  it('by somebody who read an older version is refused with the version that is there', async () => {
    const clinic = await newClinic(db, services);
    const booked = await book(clinic);
    await services.booking.reschedule(clinic.ctx, booked.id, 1, { start: instantAt('2026-12-01T11:00:00Z') });
    const stale = {
      kind: 'precondition_failed',
      code: 'appointment.version_conflict',
      options: { extra: { currentVersion: 2 } },
    };
    await expect(services.appointments.cancel(clinic.ctx, booked.id, 1, { reason: 'other' })).rejects.toMatchObject(
      stale,
    );
    await expect(
      services.booking.reschedule(clinic.ctx, booked.id, 1, { start: instantAt(nine) }),
    ).rejects.toMatchObject(stale);
  });

  it('is refused after it was cancelled, and after it is over', async () => {
    const clinic = await newClinic(db, services);
    const [gone, past] = [await book(clinic), await book(clinic, '2026-12-01T11:00:00Z')];
    await services.appointments.cancel(clinic.ctx, gone.id, 1, { reason: 'client_request' });
    const cancel = (id: AppointmentId, version: number) =>
      codeOf(services.appointments.cancel(again(clinic.ctx), id, version, { reason: 'other' }));
    expect(await cancel(gone.id, 2)).toBe('appointment.wrong_state');
    clock.set(instantAt('2026-12-01T11:30:00Z'));
    expect(await cancel(past.id, 1)).toBe('appointment.already_over');
  });

  it('stands in the history with who made it, when and why; nobody can rewrite that', async () => {
    const clinic = await newClinic(db, services);
    const booked = await book(clinic);
    clock.advance(60_000);
    await services.booking.reschedule(clinic.ctx, booked.id, 1, { start: instantAt('2026-12-01T11:00:00Z') });
    clock.advance(60_000);
    const cancelled = await services.appointments.cancel(clinic.ctx, booked.id, 2, { reason: 'clinic_request' });
    expect(cancelled).toMatchObject({ status: 'cancelled', version: 3 });
    const history = await services.appointments.history(clinic.ctx, booked.id);
    expect(
      history.map(({ version, event, status, localStart, reason, actorId }) => [
        version,
        event,
        status,
        localStart,
        reason,
        actorId,
      ]),
    ).toEqual([
      [1, 'booked', 'booked', '2026-12-01T09:15', null, 'test'],
      [2, 'rescheduled', 'booked', '2026-12-01T11:00', null, 'test'],
      [3, 'cancelled', 'cancelled', '2026-12-01T11:00', 'clinic_request', 'test'],
    ]);
    expect(history.map(({ at }) => at - booked.createdAt)).toEqual([0, 60_000, 120_000]);
    const rewrite = (sql: string) => db.asAdmin('shard-1', sql, [booked.id]);
    await expect(rewrite(`update appointment_history set status = 'booked' where appointment_id = $1`)).rejects.toThrow(
      'append-only',
    );
    await expect(rewrite('delete from appointment_history where appointment_id = $1')).rejects.toThrow('append-only');
    expect(await disagreements(db, clinic)).toEqual(noDisagreements);
  });
});

describe('seeing visits', () => {
  it('a list goes by start, page by page, and narrows by time, location, resource and status', async () => {
    const clinic = await newClinic(db, services);
    const booked = [];
    for (const hour of ['09:15', '11:00', '13:00', '15:00']) booked.push(await book(clinic, `2026-12-01T${hour}:00Z`));
    const [first, second, third, last] = booked.map(({ id }) => id);
    await services.appointments.cancel(clinic.ctx, third!, 1, { reason: 'other' });
    const list = async (filter: object, page: object = firstPage) =>
      services.appointments.list(again(clinic.ctx), filter, page as typeof firstPage);
    const ids = async (filter: object) => (await list(filter)).items.map(({ id }) => id);
    const { locationId, resourceIds } = clinic;
    for (const filter of [
      {},
      { locationId },
      { resourceId: resourceIds[1] },
      { locationId, resourceId: resourceIds[0] },
    ])
      expect(await ids(filter)).toEqual([first, second, third, last]);
    expect(await ids({ status: 'cancelled' })).toEqual([third]);
    expect(await ids({ status: 'booked', resourceId: resourceIds[2] })).toEqual([first, second, last]);
    expect(await ids({ fromMin: minuteAt('2026-12-01T11:00:00Z'), toMin: minuteAt('2026-12-01T15:00:00Z') })).toEqual([
      second,
      third,
    ]);
    for (const filter of [{}, { locationId }, { status: 'booked' }, { resourceId: resourceIds[1] }]) {
      const page = await list(filter, { limit: 2, after: null });
      expect(page.items.map(({ id }) => id)).toEqual([first, second]);
      const rest = await list(filter, { limit: 2, after: page.next });
      expect(rest.items.at(-1)?.id).toBe(last);
      expect(rest.next).toBeNull();
    }
  });

  it('is recorded before anything is shown, naming every visit', async () => {
    const clinic = await newClinic(db, services);
    const booked = await book(clinic);
    await services.appointments.list(clinic.ctx, {}, firstPage);
    await services.appointments.read(clinic.ctx, booked.id);
    await services.appointments.history(clinic.ctx, booked.id);
    const events = await db.asAdmin(
      'shard-1',
      `select e.action, coalesce(e.resource_id, s.subject_id) as shown from audit_event e
         left join audit_subject s on s.event_id = e.id
        where e.tenant_id = $1 and e.action ~ '^appointment.(list|read|history)$' order by e.id`,
      [clinic.ctx.tenant.id],
    );
    expect(events).toEqual(
      ['list', 'read', 'history'].map((verb) => ({ action: `appointment.${verb}`, shown: booked.id })),
    );
  });
});
