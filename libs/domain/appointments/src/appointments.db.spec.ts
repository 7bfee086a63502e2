import { FixedClock, type IdempotencyRequest, isAppError, newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import type { LocalDate } from '#infra/time';
import {
  again,
  bookingAt,
  type Clinic,
  disagreements,
  instantAt,
  minuteAt,
  newClinic,
  noDisagreements,
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
const codeOf = async (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : Promise.reject(error)),
  );
const startsOn = async ({ ctx, serviceId, locationId }: Clinic, date: LocalDate = day): Promise<readonly number[]> => {
  const { starts } = await services.availability.find(again(ctx), { serviceId, locationId, from: date, to: date });
  return starts.map(({ startMin }) => startMin);
};
/** Everything that a tenant's visits left in the tables, as text. */
const rowsOf = async ({ ctx }: Clinic): Promise<readonly string[]> => {
  const tables = ['appointment', 'appointment_resource', 'appointment_history', 'time_claim', 'outbox', 'audit_event'];
  const rows = await Promise.all(
    tables.map((table) =>
      db.asAdmin<{ row: string }>('shard-1', `select t::text as row from ${table} t where tenant_id = $1 order by id`, [
        ctx.tenant.id,
      ]),
    ),
  );
  return rows.flat().map(({ row }) => row);
};

describe('booking a visit', () => {
  it('takes a provider, a room and a device, each for its own part of the visit', async () => {
    const clinic = await newClinic(db, services);
    const booked = await book(clinic);
    const [provider, room, device] = clinic.resourceIds;
    const at = minuteAt(nine);
    expect(booked).toMatchObject({ status: 'booked', version: 1, startMin: at, endMin: at + 30, tz: 'UTC' });
    const shares = Object.fromEntries(booked.shares.map(({ kind, ...rest }) => [kind, rest]));
    expect(shares).toEqual({
      provider: { resourceId: provider, lane: 1, startMin: at, endMin: at + 30 },
      room: { resourceId: room, lane: 1, startMin: at - 5, endMin: at + 35 },
      device: { resourceId: device, lane: 1, startMin: at + 5, endMin: at + 25 },
    });
    expect(await services.appointments.read(clinic.ctx, booked.id)).toMatchObject({
      ...booked,
      shares: expect.arrayContaining([...booked.shares]),
    });
    expect(await disagreements(db, clinic)).toEqual(noDisagreements);
  });

  it('writes the visit, its history, its fact and its audit in one transaction, or nothing', async () => {
    const clinic = await newClinic(db, services);
    const booked = await book(clinic);
    const count = async () => (await rowsOf(clinic)).length;
    const before = await count();
    const facts = await db.asAdmin('shard-1', 'select kind, name, key, payload from outbox where tenant_id = $1', [
      clinic.ctx.tenant.id,
    ]);
    const payload = { appointmentId: booked.id, locationId: clinic.locationId, version: 1 };
    expect(facts).toEqual([{ kind: 'fact', name: 'appointment.booked', key: booked.id, payload }]);
    const audited = await db.asAdmin<{ action: string; resource_id: string }>(
      'shard-1',
      `select action, resource_id from audit_event where tenant_id = $1 and action like 'appointment.%'`,
      [clinic.ctx.tenant.id],
    );
    expect(audited).toEqual([{ action: 'appointment.book', resource_id: booked.id }]);
    expect(await codeOf(book(clinic))).toBe('appointment.slot_taken');
    expect(await count()).toBe(before);
  });

  it('keeps what the client said in envelopes: no row anywhere shows it', async () => {
    const clinic = await newClinic(db, services);
    const client = { name: 'Wilhelmina Canary', phone: '+1 604 555 0199', email: 'canary@example.org' };
    const note = 'allergic to feathers';
    const booked = await services.booking.book(clinic.ctx, { ...bookingAt(clinic, nine), client, note });
    const moved = await services.booking.reschedule(clinic.ctx, booked.id, 1, {
      start: instantAt('2026-12-01T11:00:00Z'),
      note: 'bird sitter came late',
    });
    expect(moved).toMatchObject({ client, note });
    await services.appointments.cancel(clinic.ctx, booked.id, 2, { reason: 'other', note: 'flown south' });
    const rows = (await rowsOf(clinic)).join('\n');
    for (const word of ['Canary', '555 0199', 'feathers', 'bird sitter', 'flown south']) {
      expect(rows).not.toContain(word);
      expect(rows).not.toContain(Buffer.from(word).toString('hex'));
    }
    const history = await services.appointments.history(clinic.ctx, booked.id);
    expect(history.map((entry) => entry.note)).toEqual([null, 'bird sitter came late', 'flown south']);
  });

  it('[C-114] three booked, two conflicts and one failure raise the three counters by 3, 2 and 1', async () => {
    const clinic = await newClinic(db, services);
    const counts = async () => {
      const { body } = await services.metrics.expose();
      const of = (name: string) =>
        Number(new RegExp(`appointment_bookings_total{outcome="${name}"} (\\d+)`).exec(body)?.[1] ?? 0);
      return [of('booked'), of('conflict'), of('failure')] as const;
    };
    const before = await counts();
    for (const start of [nine, '2026-12-02T09:15:00Z', '2026-12-03T09:15:00Z']) await book(clinic, start);
    for (const start of [nine, '2026-12-02T09:15:00Z'])
      expect(await codeOf(book(clinic, start))).toBe('appointment.slot_taken');
    expect(await codeOf(book(clinic, '2026-12-01T03:00:00Z'))).toBe('appointment.outside_hours');
    const after = await counts();
    expect(after.map((count, n) => count - (before[n] ?? 0))).toEqual([3, 2, 1]);
  });

  it('every start that is offered can be booked alone, and no other start of the day can', async () => {
    const clinic = await newClinic(db, services, {
      staff: [{ kind: 'provider' }, { kind: 'provider' }, { kind: 'room' }, { kind: 'device' }],
    });
    await book(clinic, '2026-12-01T11:00:00Z');
    await services.calendar.createBlock(clinic.ctx, clinic.resourceIds[3]!, {
      startMin: minuteAt('2026-12-01T14:00:00Z'),
      endMin: minuteAt('2026-12-01T15:10:00Z'),
      reason: 'maintenance',
    });
    const offered = new Set(await startsOn(clinic));
    expect(offered.size).toBeGreaterThan(15);
    const reasons = new Map<string, number>();
    for (let start = minuteAt('2026-12-01T08:00:00Z'); start < minuteAt('2026-12-01T18:00:00Z'); start += 5) {
      const found = await book(clinic, start * 60_000).catch((error: unknown) => error);
      const code = isAppError(found) ? found.code : 'done';
      reasons.set(code, (reasons.get(code) ?? 0) + 1);
      expect([start, code === 'done']).toEqual([start, offered.has(start)]);
      if (!isAppError(found))
        await services.appointments.cancel(clinic.ctx, (found as { id: AppointmentId }).id, 1, { reason: 'other' });
    }
    expect([...reasons.keys()].sort()).toEqual([
      'appointment.off_grid',
      'appointment.outside_hours',
      'appointment.slot_taken',
      'done',
    ]);
  }, 30_000);

  it('too soon, too far ahead and within a minute are refused by their names', async () => {
    const clinic = await newClinic(db, services);
    clock.set(instantAt('2026-12-01T09:10:00Z'));
    expect(await codeOf(book(clinic, '2026-12-01T09:00:00Z'))).toBe('appointment.notice_too_short');
    expect(await codeOf(book(clinic, '2029-12-01T09:15:00Z'))).toBe('appointment.beyond_horizon');
    expect(await codeOf(book(clinic, '2026-12-01T09:15:30Z'))).toBe('appointment.off_grid');
    expect(await codeOf(book(clinic))).toBe('done');
  });

  it('no room, no device or no provider that serves this here is said as such', async () => {
    const lacking = async (kinds: readonly ('provider' | 'room' | 'device')[]) =>
      codeOf(book(await newClinic(db, services, { staff: kinds.map((kind) => ({ kind })) })));
    expect(await lacking(['room', 'device'])).toBe('appointment.no_provider');
    expect(await lacking(['provider', 'device'])).toBe('appointment.no_room');
    expect(await lacking(['provider', 'room'])).toBe('appointment.no_device');
  });

  it('a chosen provider is the one, and the least busy is taken where nobody was chosen', async () => {
    const clinic = await newClinic(db, services, {
      staff: [
        { kind: 'provider' },
        { kind: 'provider' },
        { kind: 'room', capacity: 2 },
        { kind: 'device', capacity: 2 },
      ],
    });
    const [ada, noor] = clinic.resourceIds as [ResourceId, ResourceId];
    const providerOf = (shares: Awaited<ReturnType<typeof book>>['shares']) =>
      shares.find(({ kind }) => kind === 'provider')?.resourceId;
    const chosen = await services.booking.book(clinic.ctx, { ...bookingAt(clinic, nine), providerId: noor });
    expect(providerOf(chosen.shares)).toBe(noor);
    const busy = await codeOf(
      services.booking.book(again(clinic.ctx), { ...bookingAt(clinic, nine), providerId: noor }),
    );
    expect(busy).toBe('appointment.slot_taken');
    expect(providerOf((await book(clinic, '2026-12-01T12:00:00Z')).shares)).toBe(ada);
  });
});

describe('the same request twice', () => {
  const withKey = (ctx: TenantContext, key: string, body = 'a'): TenantContext => {
    const idempotency: IdempotencyRequest = {
      key,
      route: 'POST /api/v1/appointments',
      fingerprint: Buffer.alloc(32, body),
      outcome: 'unused',
    };
    return again(ctx, { idempotency });
  };

  it('has one effect and one answer', async () => {
    const clinic = await newClinic(db, services);
    const [first, second] = [withKey(clinic.ctx, 'k1'), withKey(clinic.ctx, 'k1')];
    const booked = await services.booking.book(first, { ...bookingAt(clinic, nine), note: 'once' });
    expect(await services.booking.book(second, { ...bookingAt(clinic, nine), note: 'once' })).toEqual(booked);
    expect([first, second].map(({ idempotency }) => idempotency?.outcome)).toEqual(['stored', 'replayed']);
    expect((await services.appointments.list(clinic.ctx, {}, firstPage)).items).toHaveLength(1);
  });

  it('twenty at once make one visit: the others get its answer or are told to wait', async () => {
    const clinic = await newClinic(db, services);
    const found = await Promise.all(
      Array.from({ length: 20 }, () =>
        services.booking.book(withKey(clinic.ctx, 'k2'), bookingAt(clinic, nine)).then(
          ({ id }) => id,
          (error: unknown) => (isAppError(error) ? error.code : Promise.reject(error)),
        ),
      ),
    );
    const { items } = await services.appointments.list(clinic.ctx, {}, firstPage);
    expect(items).toHaveLength(1);
    expect(new Set(found.filter((one) => one !== 'idempotency.in_progress'))).toEqual(new Set([items[0]?.id]));
  });

  it('a refusal is not remembered: the key may be used again', async () => {
    const clinic = await newClinic(db, services);
    const blocking = await book(clinic);
    expect(await codeOf(services.booking.book(withKey(clinic.ctx, 'k3'), bookingAt(clinic, nine)))).toBe(
      'appointment.slot_taken',
    );
    await services.appointments.cancel(clinic.ctx, blocking.id, 1, { reason: 'other' });
    expect(await codeOf(services.booking.book(withKey(clinic.ctx, 'k3'), bookingAt(clinic, nine)))).toBe('done');
  });
});

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
    expect(await startsOn(clinic)).toContain(minuteAt(nine));
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
    const before = await rowsOf(clinic);
    const to = (start: string) =>
      services.booking.reschedule(again(clinic.ctx), booked.id, 1, { start: instantAt(start) });
    const refused = await to('2026-12-01T11:00:00Z').catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: 'appointment.slot_taken',
      options: { extra: { alternatives: expect.arrayContaining(['2026-12-01T10:15:00+00:00']) } },
    });
    expect(await codeOf(to('2026-12-01T20:00:00Z'))).toBe('appointment.outside_hours');
    expect(await rowsOf(clinic)).toEqual(before);
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
