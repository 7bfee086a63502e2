import { isAppError, newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { again, openServices, type Services } from '../test/registry.js';
import type { NoteId } from './note.js';
import { demographicsOf, type PatientId } from './patient.js';

const text = 'Quincke oedema after strawberries';
const page = { limit: 10, after: null };
const person = demographicsOf({
  family: 'Lindqvist',
  given: 'Astrid',
  birthDate: null,
  sex: 'unknown',
  phone: null,
  email: null,
  address: null,
});

let db: TestDatabases;
let services: Services;
let ctx: TenantContext;
let patientId: PatientId;
beforeAll(async () => {
  db = await openTestDatabases();
  services = openServices(db);
  ctx = await db.newTenant({ shardId: 'shard-1' });
});
afterAll(() => db?.close());
beforeEach(async () => {
  patientId = (await services.registration.create(again(ctx), person, { force: true })).id;
});

const codeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : Promise.reject(error)),
  );
const write = (words = text) => services.notes.write(again(ctx), patientId, words);

describe('notes about a patient', () => {
  it('are listed newest first, with those that amend others', async () => {
    const first = await write('first');
    const second = await write('second');
    const amended = await services.notes.amend(again(ctx), patientId, first.id, 'not so');
    const listed = await services.notes.list(again(ctx), patientId, page);
    expect(listed.items).toEqual([amended, second, first]);
    expect(amended.amends).toBe(first.id);
    const rest = await services.notes.list(again(ctx), patientId, { limit: 2, after: { id: amended.id } });
    expect(rest).toEqual({ items: [second, first], next: null, previous: { id: second.id } });
  });

  it('stay as they are, whoever would change or remove them', async () => {
    const { id } = await write();
    for (const statement of [`update clinical_note set written_by = 'x'`, 'delete from clinical_note']) {
      const inside = db.sharding.write(again(ctx), (tx) => tx.db.query(statement));
      await expect(inside).rejects.toMatchObject({ code: '42501' });
      await expect(db.asAdmin('shard-1', `${statement} where id = $1`, [id])).rejects.toThrow('append-only');
    }
  });

  it('are readable in no row', async () => {
    await write();
    const rows = await db.asAdmin<{ row: string }>(
      'shard-1',
      `select t::text as row from clinical_note t union all select t::text from audit_event t union all select t::text from outbox t`,
    );
    const left = rows.map(({ row }) => row).join('\n');
    expect(left.length).toBeGreaterThan(100);
    for (const trace of ['Quincke', Buffer.from('Quincke').toString('hex')]) expect(left).not.toContain(trace);
  });

  it('leave on record who wrote and who read them, and about whom', async () => {
    const { id } = await write();
    await services.notes.amend(again(ctx), patientId, id, 'more');
    await services.notes.list(again(ctx), patientId, page);
    const events = await db.asAdmin<{ action: string }>(
      'shard-1',
      `select e.action from audit_event e join audit_subject s on s.event_id = e.id
        where s.subject_id = $1 and e.action like 'note.%' order by e.id`,
      [patientId],
    );
    expect(events.map(({ action }) => action)).toEqual(['note.write', 'note.amend', 'note.list']);
  });

  it('are nobody else’s: of another tenant, another patient, or without the permission', async () => {
    const { id } = await write();
    const stranger = await db.newTenant({ shardId: 'shard-1' });
    expect(await codeOf(services.notes.list(stranger, patientId, page))).toBe('patient.not_found');
    expect(await codeOf(services.notes.write(stranger, patientId, 'x'))).toBe('patient.not_found');
    const other = (await services.registration.create(again(ctx), person, { force: true })).id;
    expect(await codeOf(services.notes.amend(again(ctx), other, id, 'x'))).toBe('note.not_found');
    expect(await codeOf(services.notes.amend(again(ctx), patientId, newId<NoteId>(), 'x'))).toBe('note.not_found');
    const permissions = new Set(['patients.read', 'patients.manage']);
    const actor = { kind: 'user', id: newId(), sessionId: newId(), permissions } as TenantContext['actor'];
    expect(await codeOf(services.notes.list(again(ctx, { actor }), patientId, page))).toBe('patient.forbidden');
    expect(await codeOf(services.notes.write(again(ctx, { actor }), patientId, 'x'))).toBe('patient.forbidden');
  });

  it('are counted by the plan where they are notes of their own', async () => {
    const own = await db.newTenant({ shardId: 'shard-1' });
    await db.sharding.tenants.changeQuota(own.tenant.id, 'exams', 1);
    const someone = (await services.registration.create(again(own), person, { force: true })).id;
    const { id } = await services.notes.write(again(own), someone, text);
    expect(await codeOf(services.notes.write(again(own), someone, text))).toBe('quota.exceeded');
    expect(await codeOf(services.notes.amend(again(own), someone, id, 'x'))).toBe('done');
  });
});
