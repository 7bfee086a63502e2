import type { Appointment, LocationId } from '#domain/appointments';
import { newId } from '#infra/kernel';
import type { LocalDate } from '#infra/time';
import {
  appointment,
  appointmentList,
  availability,
  filterOf,
  history,
  newBooking,
  presentAppointment,
  presentAvailability,
  presentHistory,
  rescheduling,
} from './appointments.dto.js';
import { newBlock, overrideInput, presentSchedule, scheduleInput, schedulesOf } from './calendar.dto.js';
import { newService } from './catalogue.dto.js';

const minute = (text: string): number => Date.parse(text) / 60_000;
const nine = minute('2026-12-01T16:00:00Z');

const visit = {
  id: newId(),
  version: 2,
  status: 'booked',
  locationId: newId(),
  serviceId: newId(),
  startMin: nine,
  endMin: nine + 30,
  localStart: '2026-12-01T09:00',
  tz: 'America/Vancouver',
  tzdb: '2026f',
  shares: [{ resourceId: newId(), kind: 'room', lane: 1, startMin: nine - 5, endMin: nine + 35 }],
  client: { name: 'Wilhelmina Canary', phone: '+1 604 555 0199' },
  note: null,
  createdAt: Date.parse('2026-11-20T12:00:00Z'),
  updatedAt: Date.parse('2026-11-20T12:01:00Z'),
} as unknown as Appointment;

describe('a visit as it is shown', () => {
  it('has every instant in the offset of its place, and the zone beside it', () => {
    const shown = presentAppointment(visit);
    expect(shown).toMatchObject({
      start: '2026-12-01T09:00:00-07:00',
      end: '2026-12-01T09:30:00-07:00',
      tz: 'America/Vancouver',
      resources: [{ kind: 'room', start: '2026-12-01T08:55:00-07:00', end: '2026-12-01T09:35:00-07:00' }],
      createdAt: '2026-11-20T12:00:00.000Z',
    });
    expect(appointment.safeParse(shown).success).toBe(true);
  });

  it('shows what its history remembers in the zone of each version', () => {
    const { id: _, client: __, createdAt, updatedAt: ___, ...timing } = visit;
    const entry = {
      ...timing,
      event: 'booked',
      reason: null,
      actorKind: 'user',
      actorId: newId(),
      at: createdAt,
    } as const;
    const shown = presentHistory([
      { ...entry, version: 1 },
      { ...entry, version: 2, tz: 'UTC' },
    ]);
    expect(shown.data.map(({ start }) => start)).toEqual(['2026-12-01T09:00:00-07:00', '2026-12-01T16:00:00+00:00']);
    expect(history.safeParse(shown).success).toBe(true);
  });
});

describe('free starts as they are shown', () => {
  it('stand under the local date on which they begin; days without any are absent', () => {
    const found = {
      locationId: newId<LocationId>(),
      tz: 'America/New_York',
      tzdb: '2026f',
      from: '2026-10-31' as LocalDate,
      to: '2026-11-02' as LocalDate,
      durationMin: 30,
      starts: ['2026-11-01T03:45:00Z', '2026-11-01T05:30:00Z', '2026-11-01T06:30:00Z'].map((start) => ({
        startMin: minute(start),
        providers: 2,
      })),
    };
    const shown = presentAvailability(found);
    expect(shown.days).toEqual({
      '2026-10-31': [{ start: '2026-10-31T23:45:00-04:00', end: '2026-11-01T00:15:00-04:00', providers: 2 }],
      '2026-11-01': [
        { start: '2026-11-01T01:30:00-04:00', end: '2026-11-01T01:00:00-05:00', providers: 2 },
        { start: '2026-11-01T01:30:00-05:00', end: '2026-11-01T02:00:00-05:00', providers: 2 },
      ],
    });
    expect(availability.safeParse(shown).success).toBe(true);
  });
});

describe('what may be asked', () => {
  const ids = { serviceId: newId(), locationId: newId() };
  const booking = { ...ids, start: '2026-12-01T09:00:00-07:00', client: { name: 'A' } };
  const accepts = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown) =>
    schema.safeParse(value).success;

  it('a booking names service, place, start and client, and nothing that is not known', () => {
    expect(accepts(newBooking, booking)).toBe(true);
    expect(
      accepts(newBooking, { ...booking, client: { name: 'A', phone: '1', email: 'a@example.org' }, note: 'x' }),
    ).toBe(true);
    for (const wrong of [
      { start: '2026-12-01T09:00:00' },
      { client: {} },
      { client: { name: 'A', ssn: '1' } },
      { tenantId: newId() },
      { serviceId: 'x' },
      { status: 'booked' },
    ])
      expect([wrong, accepts(newBooking, { ...booking, ...wrong })]).toEqual([wrong, false]);
  });

  it('a move goes to one provider or to anyone, not to both', () => {
    const { start } = booking;
    expect(accepts(rescheduling, { start })).toBe(true);
    expect(accepts(rescheduling, { start, anyProvider: true })).toBe(true);
    expect(accepts(rescheduling, { start, providerId: newId() })).toBe(true);
    expect(accepts(rescheduling, { start, providerId: newId(), anyProvider: true })).toBe(false);
  });

  it('a list from an instant within a minute begins with the next minute', () => {
    const filter = (from: string, to: string) => filterOf(appointmentList.parse({ from, to }));
    expect(filter('2026-12-01T16:00:00Z', '2026-12-01T16:00:30Z')).toMatchObject({ fromMin: nine, toMin: nine + 1 });
    expect(filter('2026-12-01T16:00:00.001Z', '2026-12-01T17:00:00Z')).toMatchObject({
      fromMin: nine + 1,
      toMin: nine + 60,
    });
  });

  it('hours are times of day; the day may end at 24:00 and no window crosses it', () => {
    const schedules = [
      { validFrom: '2026-01-01', validTo: null, rules: [{ weekday: 1, opens: '00:00', closes: '24:00' }] },
      { validFrom: '2025-01-01', validTo: '2026-01-01', rules: [{ weekday: 7, opens: '09:05', closes: '17:30' }] },
    ];
    const parsed = scheduleInput.parse({ schedules });
    expect(schedulesOf(parsed).map(({ rules }) => rules)).toEqual([
      [{ weekday: 1, opens: 0, closes: 1_440 }],
      [{ weekday: 7, opens: 545, closes: 1_050 }],
    ]);
    expect(presentSchedule({ version: 3, schedules: schedulesOf(parsed) })).toEqual({ version: 3, schedules });
    const day = (opens: string, closes: string) => accepts(overrideInput, { open: [{ opens, closes }] });
    expect([day('09:00', '09:01'), day('22:00', '02:00'), day('24:00', '24:00'), day('9:00', '10:00')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(accepts(scheduleInput, { schedules: [{ ...schedules[0], validTo: '2026-01-01' }] })).toBe(false);
    expect(accepts(scheduleInput, { schedules: [{ ...schedules[0], validFrom: '2026-02-30' }] })).toBe(false);
  });

  it('a block is whole minutes and ends after it starts', () => {
    const block = (start: string, end: string) => accepts(newBlock, { start, end });
    expect(block('2026-12-01T09:00:00Z', '2026-12-01T10:00:00+00:00')).toBe(true);
    expect(block('2026-12-01T09:00:30Z', '2026-12-01T10:00:00Z')).toBe(false);
    expect(block('2026-12-01T09:00:00Z', '2026-12-01T02:00:00-07:00')).toBe(false);
  });

  it('a service takes one to six segments, at most four of a kind, and is every quarter of an hour unless it says otherwise', () => {
    const segment = { kind: 'provider', offsetMin: 0, durationMin: 30 };
    const service = (segments: readonly object[]) => newService.safeParse({ name: 'Visit', durationMin: 30, segments });
    expect(service([segment]).data).toMatchObject({
      grid: { stepMin: 15, anchor: 'midnight' },
      noticeMin: 0,
      horizonDays: 180,
    });
    expect(service([]).success).toBe(false);
    expect(service(Array(4).fill(segment)).success).toBe(true);
    expect(service(Array(5).fill(segment)).success).toBe(false);
    expect(service([...Array(3).fill(segment), ...Array(4).fill({ ...segment, kind: 'room' })]).success).toBe(false);
    expect(service([{ ...segment, offsetMin: -1_441 }]).success).toBe(false);
  });
});
