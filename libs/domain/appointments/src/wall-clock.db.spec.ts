import { FixedClock } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { formatInstant, type LocalDate, TZDB_VERSION } from '#infra/time';
import {
  bookingAt,
  type Clinic,
  disagreements,
  everyDay,
  instantAt,
  newClinic,
  noDisagreements,
  openServices,
  type Services,
} from '../test/clinic.js';

let db: TestDatabases;
let services: Services;
beforeAll(async () => {
  db = await openTestDatabases({ clock: new FixedClock(instantAt('2026-10-01T12:00:00Z')) });
  services = openServices(db);
});
afterAll(() => db?.close());

/** A clinic with one kind of hours for everybody and visits of half an hour, provider and room alike. */
const clinicIn = (tz: string, opens: number, closes: number): Promise<Clinic> =>
  newClinic(db, services, {
    tz,
    staff: (['provider', 'room'] as const).map((kind) => ({ kind, rules: everyDay(opens, closes) })),
    service: {
      name: 'Visit',
      durationMin: 30,
      segments: [
        { kind: 'provider', offsetMin: 0, durationMin: 30 },
        { kind: 'room', offsetMin: 0, durationMin: 30 },
      ],
      grid: { stepMin: 30, anchor: 'midnight' },
      noticeMin: 0,
      horizonDays: 730,
    },
  });

const slots = async ({ ctx, serviceId, tz }: Clinic, date: string): Promise<readonly string[]> => {
  const found = await services.availability.find(ctx, { serviceId, from: date as LocalDate, to: date as LocalDate });
  expect(found).toMatchObject({ tz, tzdb: TZDB_VERSION });
  return found.starts.map(({ startMin }) => formatInstant(startMin, tz).slice(11));
};

/** Books a start, and answers how the visit, its row and its history show it. */
async function booked(clinic: Clinic, start: string) {
  const visit = await services.booking.book(clinic.ctx, bookingAt(clinic, start));
  const [entry] = await services.appointments.history(clinic.ctx, visit.id);
  const [row] = await db.asAdmin<{ start_min: number; local_start: string; tz: string; tzdb_version: string }>(
    'shard-1',
    'select start_min, local_start::text, tz, tzdb_version from appointment where id = $1',
    [visit.id],
  );
  expect(row).toMatchObject({ start_min: visit.startMin, tz: clinic.tz, tzdb_version: TZDB_VERSION });
  expect(entry).toMatchObject({ startMin: visit.startMin, localStart: visit.localStart, tz: clinic.tz });
  expect(row?.local_start).toBe(`${visit.localStart.replace('T', ' ')}:00`);
  expect(await disagreements(db, clinic)).toEqual(noDisagreements);
  return { utc: new Date(visit.startMin * 60_000).toISOString(), wall: visit.localStart };
}

describe('the night on which New York skips 02:00 to 03:00', () => {
  it('has no visits in the hour that does not exist, and the same wall time as ever around it', async () => {
    const clinic = await clinicIn('America/New_York', 0, 300);
    expect(await slots(clinic, '2027-03-13')).toEqual(
      ['00:00', '00:30', '01:00', '01:30', '02:00', '02:30', '03:00', '03:30', '04:00', '04:30'].map(
        (time) => `${time}:00-05:00`,
      ),
    );
    expect(await slots(clinic, '2027-03-14')).toEqual([
      ...['00:00', '00:30', '01:00', '01:30'].map((time) => `${time}:00-05:00`),
      ...['03:00', '03:30', '04:00', '04:30'].map((time) => `${time}:00-04:00`),
    ]);
    expect(await booked(clinic, '2027-03-14T01:30:00-05:00')).toEqual({
      utc: '2027-03-14T06:30:00.000Z',
      wall: '2027-03-14T01:30',
    });
    expect(await booked(clinic, '2027-03-14T03:00:00-04:00')).toEqual({
      utc: '2027-03-14T07:00:00.000Z',
      wall: '2027-03-14T03:00',
    });
    expect(await slots(clinic, '2027-03-14')).not.toContain('03:00:00-04:00');
  });

  it('a window that opens in the skipped hour opens when it ends', async () => {
    const clinic = await clinicIn('America/New_York', 150, 240);
    expect(await slots(clinic, '2027-03-13')).toEqual(['02:30:00-05:00', '03:00:00-05:00', '03:30:00-05:00']);
    expect(await slots(clinic, '2027-03-14')).toEqual(['03:30:00-04:00']);
  });
});

describe('the night on which New York has 01:00 to 02:00 twice', () => {
  it('offers both showings of the repeated hour, and they are different visits', async () => {
    const clinic = await clinicIn('America/New_York', 0, 180);
    expect(await slots(clinic, '2026-11-01')).toEqual([
      ...['00:00', '00:30', '01:00', '01:30'].map((time) => `${time}:00-04:00`),
      ...['01:00', '01:30', '02:00', '02:30'].map((time) => `${time}:00-05:00`),
    ]);
    const [first, second] = ['2026-11-01T01:30:00-04:00', '2026-11-01T01:30:00-05:00'] as const;
    expect(await booked(clinic, first)).toEqual({ utc: '2026-11-01T05:30:00.000Z', wall: '2026-11-01T01:30' });
    expect(await slots(clinic, '2026-11-01')).toContain('01:30:00-05:00');
    expect(await booked(clinic, second)).toEqual({ utc: '2026-11-01T06:30:00.000Z', wall: '2026-11-01T01:30' });
    expect(await slots(clinic, '2026-11-01')).toHaveLength(6);
  });

  it('nine in the morning stays nine in the morning on both sides', async () => {
    const clinic = await clinicIn('America/New_York', 540, 600);
    expect(await slots(clinic, '2026-10-31')).toEqual(['09:00:00-04:00', '09:30:00-04:00']);
    expect(await slots(clinic, '2026-11-01')).toEqual(['09:00:00-05:00', '09:30:00-05:00']);
    expect(await booked(clinic, '2026-11-01T14:00:00Z')).toEqual({
      utc: '2026-11-01T14:00:00.000Z',
      wall: '2026-11-01T09:00',
    });
  });
});

describe('Vancouver, which stays at UTC−7 from November 2026', () => {
  it('opens at nine there on 2026-12-01, which is 16:00 UTC, in slots, booking and history', async () => {
    const clinic = await clinicIn('America/Vancouver', 540, 600);
    expect(await slots(clinic, '2026-12-01')).toEqual(['09:00:00-07:00', '09:30:00-07:00']);
    expect(await booked(clinic, '2026-12-01T09:00:00-07:00')).toEqual({
      utc: '2026-12-01T16:00:00.000Z',
      wall: '2026-12-01T09:00',
    });
    expect(await slots(clinic, '2026-12-01')).toEqual(['09:30:00-07:00']);
    expect(await slots(clinic, '2027-07-01')).toEqual(['09:00:00-07:00', '09:30:00-07:00']);
  });

  it('is an hour away from what the zone data of older systems says, so theirs is never asked', async () => {
    const clinic = await clinicIn('America/Vancouver', 540, 600);
    const eight = services.booking.book(clinic.ctx, bookingAt(clinic, '2026-12-01T09:00:00-08:00'));
    await expect(eight).rejects.toMatchObject({ code: 'appointment.outside_hours' });
  });
});

describe('a move across the change of clocks', () => {
  it('shows each version on the wall clock of its own day', async () => {
    const clinic = await clinicIn('America/New_York', 540, 600);
    const { id } = await services.booking.book(clinic.ctx, bookingAt(clinic, '2026-10-31T09:00:00-04:00'));
    await services.booking.reschedule(clinic.ctx, id, 1, { start: instantAt('2026-11-01T09:00:00-05:00') });
    const history = await services.appointments.history(clinic.ctx, id);
    expect(history.map(({ startMin, localStart, tz }) => [formatInstant(startMin, tz), localStart])).toEqual([
      ['2026-10-31T09:00:00-04:00', '2026-10-31T09:00'],
      ['2026-11-01T09:00:00-05:00', '2026-11-01T09:00'],
    ]);
  });
});
