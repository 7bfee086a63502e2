import { FixedClock, type IdempotencyRequest, isAppError, type TenantContext } from '#infra/kernel';
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
    const count = async () => (await rowsOf(db, clinic)).length;
    const before = await count();
    const facts = await db.asAdmin(
      'shard-1',
      `select kind, name, key, payload from outbox where tenant_id = $1 and name like 'appointment.%'`,
      [clinic.ctx.tenant.id],
    );
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
    const rows = (await rowsOf(db, clinic)).join('\n');
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
    const offered = new Set(await startsOn(services, clinic, day));
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
