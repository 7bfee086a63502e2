import { z } from 'zod';
import { Catalogue, defineFact, defineJob } from './catalogue.js';
import { processorFor, processorsOf } from './processor.js';

const remind = defineJob({
  name: 'appointment.remind',
  queue: 'notifications',
  payload: z.strictObject({ appointmentId: z.uuid() }),
});
const appointmentId = '0199c8a0-0000-7000-8000-000000000001';
const nothing = async () => undefined;
const rooms = () => [{ of: 'tenant' }] as const;

describe('the catalogue of jobs and facts', () => {
  const catalogue = new Catalogue({ jobs: [remind] });

  it('refuses what nobody declared', () => {
    const forgotten = { kind: 'job', name: 'appointment.forget', key: 'k', payload: { appointmentId } } as const;
    expect(() => catalogue.payloadOf(forgotten)).toThrow(expect.objectContaining({ code: 'outbox.not_catalogued' }));
    const asFact = { ...remind.entry('k', { appointmentId }), kind: 'fact' } as const;
    expect(() => catalogue.payloadOf(asFact)).toThrow(expect.objectContaining({ code: 'outbox.not_catalogued' }));
  });

  it('refuses a payload that does not fit, and names no value of it', () => {
    const entry = { kind: 'job', name: remind.name, key: 'k', payload: { appointmentId: 'Ada Lovelace' } } as const;
    expect(() => catalogue.payloadOf(entry)).toThrow(
      expect.objectContaining({ code: 'outbox.payload_refused', message: expect.not.stringContaining('Ada') }),
    );
    const more = { ...entry, payload: { appointmentId, note: 'Ada' } };
    expect(() => catalogue.payloadOf(more)).toThrow(expect.objectContaining({ code: 'outbox.payload_refused' }));
  });

  it('takes a payload that fits', () => {
    expect(catalogue.payloadOf(remind.entry('k', { appointmentId }))).toBe(JSON.stringify({ appointmentId }));
  });

  it('refuses two declarations of one name', () => {
    expect(() => new Catalogue({ jobs: [remind, { ...remind }] })).toThrow(/declared twice/);
  });

  it.each<[string, z.ZodType, string]>([
    ['a string', z.strictObject({ note: z.string() }), '/note'],
    ['a string in a list', z.strictObject({ notes: z.array(z.string()) }), '/notes/*'],
    ['a string that may be absent', z.strictObject({ note: z.string().nullable().optional() }), '/note'],
    ['anything', z.strictObject({ data: z.unknown() }), '/data'],
    ['an email address', z.strictObject({ to: z.email() }), '/to'],
    ['a record with free keys', z.strictObject({ names: z.record(z.string(), z.boolean()) }), '/names'],
  ])('has no room for %s in a payload', (_, payload, where) => {
    const define = () => defineJob({ name: 'a.b', queue: 'maintenance', payload });
    expect(define).toThrow(new RegExp(`free text in the payload at ${where.replace('*', '\\*')}`));
    expect(() => defineFact({ name: 'a.b', payload, permission: 'a.read', rooms })).toThrow(/free text/);
  });

  it('has room for ids, instants, dates, numbers and words of closed lists', () => {
    const payload = z.strictObject({
      id: z.uuid(),
      ids: z.array(z.uuid()).max(10),
      at: z.iso.datetime({ offset: true }).nullable(),
      day: z.iso.date().optional(),
      version: z.int(),
      status: z.enum(['booked', 'cancelled']),
      urgent: z.boolean(),
      how: z.union([z.literal('mail'), z.literal('push')]),
    });
    expect(() => defineJob({ name: 'a.b', queue: 'maintenance', payload })).not.toThrow();
  });

  it.each(['remind', 'Appointment.remind', 'appointment:remind', 'appointment.remind.now'])(
    'refuses the name %s',
    (name) => {
      expect(() => defineJob({ ...remind, name })).toThrow(/<noun>\.<what>/);
    },
  );

  it.each(['', 'appointments', 'anybody may'])('refuses a fact that a listener needs %j for', (permission) => {
    const payload = z.strictObject({ appointmentId: z.uuid() });
    expect(() => defineFact({ name: 'a.b', payload, permission, rooms })).toThrow(/<resource>\.<action>/);
  });

  it('refuses a job that would be tried for ever', () => {
    expect(() => defineJob({ ...remind, attempts: 13 })).toThrow(/attempts/);
  });
});

describe('facts', () => {
  const booked = defineFact({
    name: 'appointment.booked',
    payload: z.strictObject({ appointmentId: z.uuid(), version: z.int().min(1) }),
    permission: 'appointments.read',
    rooms: ({ appointmentId: id }) => [{ of: 'appointment', id }],
  });
  const catalogue = new Catalogue({ facts: [booked] });

  it('[C-034] are typed: the compiler and the catalogue refuse a payload that does not fit, and a fact nobody declared', () => {
    expect(catalogue.payloadOf(booked.entry('k', { appointmentId, version: 1 }))).toContain('"version":1');
    const refused = expect.objectContaining({ code: 'outbox.payload_refused' });
    // @ts-expect-error a number must not come as text
    expect(() => catalogue.payloadOf(booked.entry('k', { appointmentId, version: '1' }))).toThrow(refused);
    // @ts-expect-error the payload must be whole
    expect(() => catalogue.payloadOf(booked.entry('k', { appointmentId }))).toThrow(refused);
    // @ts-expect-error and hold nothing else
    const more = booked.entry('k', { appointmentId, version: 1, note: 'Ada' });
    expect(() => catalogue.payloadOf(more)).toThrow(refused);
    expect(() => catalogue.payloadOf(booked.entry('k', { appointmentId, version: 0 }))).toThrow(refused);
    const unknown = { ...booked.entry('k', { appointmentId, version: 1 }), name: 'appointment.dreamt' };
    expect(() => catalogue.payloadOf(unknown)).toThrow(expect.objectContaining({ code: 'outbox.not_catalogued' }));
  });

  it('name the rooms of those who are told, out of their payload', () => {
    expect(booked.rooms({ appointmentId, version: 1 })).toEqual([{ of: 'appointment', id: appointmentId }]);
    expect(booked.permission).toBe('appointments.read');
  });
});

describe('the processors of a worker', () => {
  const confirm = defineJob({ ...remind, name: 'appointment.confirm' });
  const catalogue = new Catalogue({ jobs: [remind, confirm] });
  const both = [processorFor(remind, nothing), processorFor(confirm, nothing)];

  it('are complete when every job has exactly one', () => {
    expect([...processorsOf(catalogue, both).keys()]).toEqual(['appointment.remind', 'appointment.confirm']);
  });

  it.each([
    ['a job without a processor', both.slice(0, 1), 'appointment.confirm has no processor'],
    ['a job with two', [...both, processorFor(remind, nothing)], 'appointment.remind has two processors'],
    [
      'a processor without a job',
      [...both, processorFor(defineJob({ ...remind, name: 'appointment.forget' }), nothing)],
      'appointment.forget is not in the catalogue',
    ],
    [
      'a processor of another declaration of the same name',
      [processorFor(defineJob({ ...remind }), nothing), both[1]!],
      'appointment.remind is not in the catalogue',
    ],
  ])('are refused with %s', (_, processors, mistake) => {
    expect(() => processorsOf(catalogue, processors)).toThrow(
      expect.objectContaining({ code: 'queues.incomplete', message: expect.stringContaining(mistake) }),
    );
  });
});
