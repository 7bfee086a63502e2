import { newId } from '#infra/kernel';
import type { PublishedFact } from '#infra/queues';
import { factIn, textOf } from './fact-text.js';

const tenantId = newId<PublishedFact['tenantId']>();
const fact: PublishedFact = {
  tenantId,
  seq: 12,
  name: 'appointment.booked',
  at: 1_795_219_200_123,
  permission: 'appointments.read',
  rooms: [{ of: 'tenant' }, { of: 'location', id: newId() }],
  payload: { appointmentId: newId(), version: 1 },
};

describe('a fact as text', () => {
  it('comes back as it was, under the tenant whose key or channel carried it', () => {
    expect(factIn(textOf(fact), tenantId)).toEqual(fact);
    const elsewhere = newId<PublishedFact['tenantId']>();
    expect(factIn(textOf(fact), elsewhere)).toEqual({ ...fact, tenantId: elsewhere });
    expect(textOf(fact)).not.toContain(tenantId);
  });

  it.each([
    ['no JSON', 'appointment.booked'],
    ['nothing', ''],
    ['no number', JSON.stringify({ ...fact, seq: undefined })],
    ['a number below 1', JSON.stringify({ ...fact, seq: 0 })],
    ['a room of a kind that this build does not know', JSON.stringify({ ...fact, rooms: [{ of: 'planet', id: 'x' }] })],
    ['no permission', JSON.stringify({ ...fact, permission: null })],
  ])('is not read where it has %s', (_, text) => {
    expect(factIn(text, tenantId)).toBeNull();
  });
});
