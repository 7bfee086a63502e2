import {
  type Appointment,
  appointmentStatuses,
  holdsTime,
  refusalOfChange,
  statusAfter,
  timingOf,
} from './appointment.js';

const visit = (words: Partial<Appointment> = {}) =>
  ({ version: 3, status: 'booked', endMin: 1_000, ...words }) as Appointment;

describe('the states of a visit', () => {
  it('a booked visit can be moved and stays booked, or be cancelled; a cancelled one can do neither', () => {
    expect(statusAfter('booked', 'reschedule')).toBe('booked');
    expect(statusAfter('booked', 'cancel')).toBe('cancelled');
    expect(statusAfter('cancelled', 'reschedule')).toBeNull();
    expect(statusAfter('cancelled', 'cancel')).toBeNull();
  });

  it('only a visit that is still to come holds time', () => {
    expect(appointmentStatuses.filter(holdsTime)).toEqual(['booked']);
  });

  it('a change needs the version that is there, a state that allows it, and a visit that is not over', () => {
    expect(refusalOfChange(visit(), 'cancel', 3, 999)).toBeNull();
    expect(refusalOfChange(visit(), 'cancel', 2, 999)).toBe('appointment.version_conflict');
    expect(refusalOfChange(visit({ status: 'cancelled' }), 'cancel', 3, 999)).toBe('appointment.wrong_state');
    expect(refusalOfChange(visit(), 'reschedule', 3, 1_000)).toBe('appointment.already_over');
  });

  it('a stale reader is told so before anything else', () => {
    expect(refusalOfChange(visit({ status: 'cancelled' }), 'cancel', 2, 2_000)).toBe('appointment.version_conflict');
  });
});

describe('the time of a visit', () => {
  it('is kept as the clock on the wall shows it, with the zone and the version of its data', () => {
    const startMin = Date.parse('2026-12-01T16:00:00Z') / 60_000;
    expect(timingOf(startMin, 45, 'America/Vancouver')).toEqual({
      startMin,
      endMin: startMin + 45,
      localStart: '2026-12-01T09:00',
      tz: 'America/Vancouver',
      tzdb: expect.stringMatching(/^20\d\d[a-z]$/),
    });
  });
});
