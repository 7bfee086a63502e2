import { FixedClock, isAppError } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import {
  again,
  bookingAt,
  type Clinic,
  deadlocksSoFar,
  disagreements,
  instantAt,
  minuteAt,
  newClinic,
  noDisagreements,
  openServices,
  type Services,
} from '../test/clinic.js';
import type { Appointment } from './appointment.js';

const quarterMs = 15 * 60_000;
const clients = 20;

let db: TestDatabases;
let services: Services;
beforeAll(async () => {
  const clock = new FixedClock(instantAt('2026-11-20T12:00:00Z'));
  db = await openTestDatabases({ clock, env: { DB_POOL_MAX: '24', DB_ACQUIRE_TIMEOUT: '20000' } });
  services = openServices(db);
});
afterAll(() => db?.close());

type Outcome = Appointment | { readonly code: string; readonly extra: Readonly<Record<string, unknown>> };

/** Every outcome that is declared; anything else is thrown. */
const outcome = (act: Promise<Appointment>): Promise<Outcome> =>
  act.catch((error: unknown) => {
    if (!isAppError(error)) throw error;
    return { code: error.code, extra: error.options.extra ?? {} };
  });
const isBooked = (found: Outcome): found is Appointment => 'id' in found;
const refusals = (found: readonly Outcome[]) => found.flatMap((one) => (isBooked(one) ? [] : [one.code]));

const race = (clinic: Clinic, start: number, by = clients) =>
  Promise.all(
    Array.from({ length: by }, () => outcome(services.booking.book(again(clinic.ctx), bookingAt(clinic, start)))),
  );

describe('many clients, one slot', () => {
  it('exactly one of 20 has it, thirty times over; the others learn of starts that are free', async () => {
    const clinic = await newClinic(db, services);
    const before = await deadlocksSoFar(db);
    for (let round = 0; round < 30; round += 1) {
      const start = instantAt('2026-12-01T09:15:00Z') + round * 86_400_000;
      const found = await race(clinic, start);
      expect(found.filter(isBooked)).toHaveLength(1);
      expect(refusals(found)).toEqual(Array(clients - 1).fill('appointment.slot_taken'));
      for (const one of found) {
        if (isBooked(one)) continue;
        const alternatives = one.extra.alternatives as string[];
        expect(alternatives).toHaveLength(3);
        expect(alternatives.map(instantAt)).not.toContain(start);
      }
    }
    expect(await deadlocksSoFar(db)).toBe(before);
    expect(await disagreements(db, clinic)).toEqual(noDisagreements);
  }, 60_000);

  it('an alternative can be booked', async () => {
    const clinic = await newClinic(db, services);
    const found = await race(clinic, instantAt('2026-12-01T09:15:00Z'), 3);
    const refused = found.find((one) => !isBooked(one)) as Extract<Outcome, { code: string }>;
    for (const start of (refused.extra.alternatives as string[]).slice(-1))
      expect(await services.booking.book(clinic.ctx, bookingAt(clinic, start))).toMatchObject({ status: 'booked' });
  });

  it('a slot that two providers and two rooms can serve is had twice', async () => {
    const staff = (['provider', 'provider', 'room', 'room', 'device'] as const).map((kind) => ({
      kind,
      capacity: kind === 'device' ? 2 : 1,
    }));
    const clinic = await newClinic(db, services, { staff });
    for (let round = 0; round < 10; round += 1) {
      const found = await race(clinic, instantAt('2026-12-01T09:15:00Z') + round * 86_400_000);
      expect(found.filter(isBooked)).toHaveLength(2);
    }
    expect(await disagreements(db, clinic)).toEqual(noDisagreements);
  }, 30_000);

  it.each([3, 8])(
    '%i lanes are had exactly as many times, each lane once',
    async (capacity) => {
      const staff = (['provider', 'room', 'device'] as const).map((kind) => ({ kind, capacity }));
      const clinic = await newClinic(db, services, { staff });
      for (let round = 0; round < 5; round += 1) {
        const found = await race(clinic, instantAt('2026-12-01T09:15:00Z') + round * 86_400_000);
        const booked = found.filter(isBooked);
        expect(refusals(found)).toEqual(Array(clients - capacity).fill('appointment.slot_taken'));
        const lanes = booked.map(({ shares }) => shares.find(({ kind }) => kind === 'provider')?.lane).sort();
        expect(lanes).toEqual(Array.from({ length: capacity }, (_, lane) => lane + 1));
      }
      expect(await disagreements(db, clinic)).toEqual(noDisagreements);
    },
    30_000,
  );
});

describe('clients who move at once', () => {
  it('two who want each other’s time lose nothing and never wait in a circle', async () => {
    const clinic = await newClinic(db, services);
    const before = await deadlocksSoFar(db);
    for (let round = 0; round < 30; round += 1) {
      const day = instantAt('2026-12-01T09:15:00Z') + round * 86_400_000;
      const [first, second] = [day, day + 4 * quarterMs];
      const one = await services.booking.book(clinic.ctx, bookingAt(clinic, first));
      const other = await services.booking.book(clinic.ctx, bookingAt(clinic, second));
      const found = await Promise.all([
        outcome(services.booking.reschedule(again(clinic.ctx), one.id, 1, { start: second })),
        outcome(services.booking.reschedule(again(clinic.ctx), other.id, 1, { start: first })),
      ]);
      expect(refusals(found)).toEqual(['appointment.slot_taken', 'appointment.slot_taken']);
    }
    expect(await deadlocksSoFar(db)).toBe(before);
    expect(await disagreements(db, clinic)).toEqual(noDisagreements);
  }, 60_000);

  it('bookings, moves, cancellations and blocks in any order leave every visit with exactly its time', async () => {
    const staff = (['provider', 'provider', 'room', 'room', 'device'] as const).map((kind) => ({ kind }));
    const clinic = await newClinic(db, services, { staff });
    const before = await deadlocksSoFar(db);
    const random = seeded(20_261_121);
    const start = () => instantAt('2026-12-01T09:15:00Z') + random(3) * 86_400_000 + random(24) * quarterMs;
    const visits = new Map<string, Appointment>();
    const remember = (found: Outcome) => {
      if (isBooked(found)) visits.set(found.id, found);
      return isBooked(found) ? 'done' : found.code;
    };
    const act = async (): Promise<string> => {
      const ctx = again(clinic.ctx);
      const known = [...visits.values()][random(visits.size)];
      const dice = random(10);
      if (known === undefined || dice < 4)
        return remember(await outcome(services.booking.book(ctx, bookingAt(clinic, start()))));
      if (dice < 8) {
        const to = { start: start(), anyProvider: random(2) === 0 };
        return remember(await outcome(services.booking.reschedule(ctx, known.id, known.version, to)));
      }
      if (dice < 9)
        return remember(await outcome(services.appointments.cancel(ctx, known.id, known.version, { reason: 'other' })));
      const startMin = start() / 60_000;
      const resource = clinic.resourceIds[random(staff.length)]!;
      return services.calendar
        .createBlock(ctx, resource, { startMin, endMin: startMin + 15, reason: 'other' })
        .then((block) => services.calendar.deleteBlock(ctx, resource, block.id))
        .then(() => 'done')
        .catch((error: unknown) => (isAppError(error) ? error.code : Promise.reject(error)));
    };
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 40; round += 1)
      for (const code of await Promise.all(Array.from({ length: 15 }, act)))
        outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
    const declared = [
      'done',
      'appointment.slot_taken',
      'appointment.version_conflict',
      'appointment.wrong_state',
      'block.conflicts',
    ];
    expect([...outcomes.keys()].filter((code) => !declared.includes(code))).toEqual([]);
    expect(outcomes.get('done')).toBeGreaterThan(100);
    expect(outcomes.get('appointment.slot_taken')).toBeGreaterThan(20);
    expect(await deadlocksSoFar(db)).toBe(before);
    expect(await disagreements(db, clinic)).toEqual(noDisagreements);
  }, 60_000);
});

/** A small generator of whole numbers below `end`, the same on every run. */
function seeded(seed: number) {
  let state = seed;
  return (end: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * end);
  };
}

describe('a start that is given back', () => {
  it('can be had again, by exactly one', async () => {
    const clinic = await newClinic(db, services);
    const start = instantAt('2026-12-01T09:15:00Z');
    const booked = await services.booking.book(clinic.ctx, bookingAt(clinic, start));
    expect(refusals(await race(clinic, start, 1))).toEqual(['appointment.slot_taken']);
    await services.appointments.cancel(clinic.ctx, booked.id, 1, { reason: 'client_request' });
    const found = await race(clinic, start);
    expect(found.filter(isBooked)).toHaveLength(1);
    expect(found.filter(isBooked)[0]?.startMin).toBe(minuteAt('2026-12-01T09:15:00Z'));
  });
});
