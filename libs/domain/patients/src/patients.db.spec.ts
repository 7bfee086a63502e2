import { FixedClock, type IdempotencyRequest, isAppError, newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { addressOf, person } from '../test/people.js';
import { again, openServices, type Services } from '../test/registry.js';
import type { Demographics, PatientId } from './patient.js';

const start = Date.parse('2026-11-20T12:00:00Z');
const clock = new FixedClock(start);
const firstPage = { limit: 50, after: null };
const plainly = { force: false };

let db: TestDatabases;
let services: Services;
beforeAll(async () => {
  db = await openTestDatabases({ clock, env: { DB_POOL_MAX: '20' } });
  services = openServices(db);
});
afterAll(() => db?.close());

const ada = person({
  family: 'Lindqvist',
  given: 'Ada María',
  birthDate: '1984-02-29',
  sex: 'female',
  phone: '+1 604 555 0199',
  email: 'ada@lindqvist.example',
  address: addressOf({ street: '12 Harbour Road', city: 'Vancouver', postcode: 'V6B 1A1', country: 'CA' }),
});
const register = (
  ctx: TenantContext,
  who: Demographics,
  { force = false, ...words }: Partial<TenantContext> & { force?: boolean } = {},
) => services.registration.create(again(ctx, words), who, { force });
const codeOf = async (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : Promise.reject(error)),
  );
const search = async (ctx: TenantContext, asked: Parameters<Services['searching']['search']>[1], limit = 20) => {
  const { items, truncated } = await services.searching.search(again(ctx), asked, limit);
  return { names: items.map(({ family, given }) => `${family} ${given}`), truncated };
};
const eventsOf = (ctx: TenantContext, requestId: string, shard = 'shard-1') =>
  db.asAdmin<{ action: string; fields: string[]; from: number | null; to: number | null; subjects: string[] }>(
    shard,
    `select action, fields, version_from as "from", version_to as "to",
            array(select subject_id::text from audit_subject s where s.event_id = e.id order by s.id) as subjects
       from audit_event e where tenant_id = $1 and request_id = $2 order by id`,
    [ctx.tenant.id, requestId],
  );
/** Everything that a tenant's patients left in the tables, as text. */
const rowsOf = async (shard: string, ctx: TenantContext): Promise<string> => {
  const tables = [
    'patient',
    'patient_version',
    'patient_token',
    'outbox',
    'audit_event',
    'audit_subject',
    'idempotency_key',
  ];
  const rows = await Promise.all(
    tables.map((table) =>
      db.asAdmin<{ row: string }>(shard, `select t::text as row from ${table} t where tenant_id = $1`, [ctx.tenant.id]),
    ),
  );
  return rows
    .flat()
    .map(({ row }) => row)
    .join('\n');
};

describe.each(['shard-1', 'shard-2'])('patients on %s', (shard) => {
  let ctx: TenantContext;
  beforeEach(async () => {
    clock.set(start);
    ctx = await db.newTenant({ shardId: shard });
  });

  it('are registered, read, corrected and listed, and each of it is on record with whom it showed', async () => {
    const created = await register(ctx, ada, { requestId: 'create' });
    expect(created).toEqual({ ...ada, id: created.id, version: 1, createdAt: start, updatedAt: start });
    clock.advance(1_000);
    const corrected = await services.patients.update(again(ctx, { requestId: 'update' }), created.id, 1, {
      phone: null,
      family: 'Okafor',
    });
    expect(corrected).toEqual({ ...created, family: 'Okafor', phone: null, version: 2, updatedAt: start + 1_000 });
    expect(await services.patients.read(again(ctx, { requestId: 'read' }), created.id)).toEqual(corrected);
    const { items, next } = await services.patients.list(again(ctx, { requestId: 'list' }), firstPage);
    expect([items, next]).toEqual([[corrected], null]);
    const told = await Promise.all(['create', 'update', 'read', 'list'].map((id) => eventsOf(ctx, id, shard)));
    expect(told.map((events) => events.map(({ action, subjects }) => [action, subjects]))).toEqual(
      ['patient.create', 'patient.update', 'patient.read', 'patient.list'].map((action) => [[action, [created.id]]]),
    );
    expect(told[1]).toMatchObject([{ fields: ['family', 'phone'], from: 1, to: 2 }]);
  });

  it('leave nothing readable in any table, and facts that name no one', async () => {
    const { id } = await register(ctx, ada, { idempotency: keyed() });
    await services.patients.update(again(ctx), id, 1, { given: 'Ada Quirkheim' });
    await search(ctx, { family: 'lindq' });
    const left = (await rowsOf(shard, ctx)).toLowerCase();
    for (const trace of [
      'lindqvist',
      'quirkheim',
      '1984-02-29',
      '5550199',
      'harbour',
      'vancouver',
      Buffer.from('Lindqvist').toString('hex'),
    ])
      expect([trace, left.includes(trace)]).toEqual([trace, false]);
    const facts = await db.asAdmin<{ name: string; key: string; payload: unknown }>(
      shard,
      `select name, key, payload from outbox where tenant_id = $1 order by id`,
      [ctx.tenant.id],
    );
    expect(facts).toEqual([
      { name: 'patient.created', key: id, payload: { patientId: id, version: 1 } },
      { name: 'patient.updated', key: id, payload: { patientId: id, version: 2 } },
    ]);
  });

  it('keep every version, and any of them comes back as the next', async () => {
    const { id } = await register(ctx, ada);
    await services.patients.update(again(ctx), id, 1, { family: 'Okafor', address: null });
    await services.patients.update(again(ctx), id, 2, { sex: 'other' });
    const restored = await services.patients.restore(again(ctx, { requestId: 'restore' }), id, 3, 1);
    expect(restored).toMatchObject({ ...ada, version: 4 });
    const versions = await services.patients.versions(again(ctx), id);
    expect(
      versions.map(({ version, event, restoredFrom, changed }) => [version, event, restoredFrom, changed]),
    ).toEqual([
      [4, 'restored', 1, ['family', 'sex', 'address']],
      [3, 'updated', null, ['sex']],
      [2, 'updated', null, ['family', 'address']],
      [1, 'created', null, ['family', 'given', 'birthDate', 'sex', 'phone', 'email', 'address']],
    ]);
    expect((await services.patients.version(again(ctx), id, 2)).demographics).toEqual({
      ...ada,
      family: 'Okafor',
      address: null,
    });
    expect(await eventsOf(ctx, 'restore', shard)).toMatchObject([
      { action: 'patient.restore', from: 3, to: 4, subjects: [id] },
    ]);
    for (const version of [4, 9])
      expect(await codeOf(services.patients.restore(again(ctx), id, 4, version))).toBe('patient.version_not_found');
    expect((await search(ctx, { family: 'Lindqvist' })).names).toHaveLength(1);
    await expect(db.asAdmin(shard, 'delete from patient_version')).rejects.toThrow('append-only');
  });

  it('are changed by one of two who read the same version; the other is told', async () => {
    const { id } = await register(ctx, ada);
    const both = await Promise.all(
      (['Okafor', 'Haddad'] as const).map((family) => codeOf(services.patients.update(again(ctx), id, 1, { family }))),
    );
    expect(both.sort()).toEqual(['done', 'patient.version_conflict']);
    expect((await services.patients.versions(again(ctx), id)).map(({ version }) => version)).toEqual([2, 1]);
  });

  it('of another tenant are as unknown as those who never were', async () => {
    const { id } = await register(ctx, ada);
    const stranger = await db.newTenant({ shardId: shard });
    const { patients } = services;
    for (const asked of [id, newId<PatientId>()])
      expect(
        await Promise.all([
          codeOf(patients.read(again(stranger), asked)),
          codeOf(patients.update(again(stranger), asked, 1, { family: 'X' })),
          codeOf(patients.versions(again(stranger), asked)),
          codeOf(patients.version(again(stranger), asked, 1)),
          codeOf(patients.restore(again(stranger), asked, 1, 1)),
        ]),
      ).toEqual([
        'patient.not_found',
        'patient.not_found',
        'patient.not_found',
        'patient.version_not_found',
        'patient.not_found',
      ]);
    expect(await search(stranger, { family: 'Lindqvist' })).toEqual({ names: [], truncated: false });
  });

  it('are listed page by page, in the order of registration, each once', async () => {
    const ids: PatientId[] = [];
    for (const family of ['Abel', 'Zeller', 'Moreau']) ids.push((await register(ctx, person({ family }))).id);
    const first = await services.patients.list(again(ctx), { limit: 2, after: null });
    const second = await services.patients.list(again(ctx), { limit: 2, after: first.next });
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(ids);
    expect(second.next).toBeNull();
  });
});

const keyed = (): IdempotencyRequest => ({
  key: newId(),
  route: 'POST /api/v1/patients',
  fingerprint: Buffer.alloc(32),
  outcome: 'unused',
});

describe('a search', () => {
  let ctx: TenantContext;
  beforeAll(async () => {
    clock.set(start);
    ctx = await db.newTenant({ shardId: 'shard-1' });
    const people: Parameters<typeof person>[0][] = [
      { family: 'García-López', given: 'María', birthDate: '1984-02-29', phone: '+34 600 123 456' },
      { family: 'Garcia', given: 'Pedro', birthDate: '1990-01-01' },
      { family: 'Garrett', given: 'Ann', birthDate: '1984-02-29', phone: '(604) 555-0142' },
      { family: 'Marsh', given: 'Garcilaso', birthDate: '2001-07-09' },
      { family: 'Li', given: 'Wei', birthDate: '1975-05-05' },
    ];
    for (const who of people) await register(ctx, person(who));
  });

  it('finds by name in any spelling, whole names first', async () => {
    expect((await search(ctx, { family: 'garcia' })).names).toEqual(['Garcia Pedro', 'García-López María']);
    expect((await search(ctx, { family: 'GAR' })).names).toEqual(['Garcia Pedro', 'García-López María', 'Garrett Ann']);
    expect((await search(ctx, { name: 'garci' })).names).toEqual([
      'Garcia Pedro',
      'García-López María',
      'Marsh Garcilaso',
    ]);
    expect((await search(ctx, { name: 'maria lopez' })).names).toEqual(['García-López María']);
    expect((await search(ctx, { family: 'Lí' })).names).toEqual(['Li Wei']);
  });

  it('finds by birth date and by telephone, and every condition must hold', async () => {
    expect((await search(ctx, { birthDate: '1984-02-29' as never })).names).toEqual([
      'García-López María',
      'Garrett Ann',
    ]);
    expect((await search(ctx, { phone: '+1 604 555 0142' })).names).toEqual(['Garrett Ann']);
    expect((await search(ctx, { birthDate: '1984-02-29' as never, given: 'ann' })).names).toEqual(['Garrett Ann']);
    expect((await search(ctx, { birthDate: '1990-01-01' as never, given: 'ann' })).names).toEqual([]);
  });

  it('shows no more than was asked for and says that there is more; the record names whom it showed and no word of it', async () => {
    const one = await services.searching.search(again(ctx, { requestId: 'few' }), { family: 'gar' }, 1);
    expect([one.items.map(({ family }) => family), one.truncated]).toEqual([['Garcia'], true]);
    expect(await eventsOf(ctx, 'few')).toMatchObject([
      { action: 'patient.search', fields: ['family'], subjects: [one.items[0]?.id] },
    ]);
    expect((await search(ctx, { family: 'gar' }, 3)).truncated).toBe(false);
  });

  it('takes at most a thousand candidates from the index, whole names first, and says that there may be more', async () => {
    const crowded = await db.newTenant({ shardId: 'shard-1' });
    await register(crowded, person({ family: 'Smithson', given: 'Ann' }));
    const { id } = await register(crowded, person({ family: 'Smi', given: 'Zoe' }));
    // As many others whose names begin so, older than both.
    const others = (count: number) =>
      db.asAdmin(
        'shard-1',
        `insert into patient_token (tenant_id, id, patient_id, kind, token)
         select tenant_id, gen_random_uuid(), ('00000000' || right(gen_random_uuid()::text, 28))::uuid, kind, token
           from patient_token, generate_series(1, $3::int) where tenant_id = $1 and patient_id = $2 and kind = 3`,
        [crowded.tenant.id, id, count],
      );
    await others(998);
    expect(await search(crowded, { family: 'smi' })).toEqual({ names: ['Smi Zoe', 'Smithson Ann'], truncated: false });
    await others(1);
    expect(await search(crowded, { family: 'smi' })).toEqual({ names: ['Smi Zoe'], truncated: true });
  });

  it('for nothing is refused', async () => {
    expect(await codeOf(services.searching.search(again(ctx), {}, 5))).toBe('patient.nothing_asked');
  });

  it('finds who was renamed by the new name only', async () => {
    const { id } = await register(ctx, person({ family: 'Vandermeer', given: 'Odile' }));
    await services.patients.update(again(ctx), id, 1, { family: 'Castellanos' });
    expect((await search(ctx, { family: 'vandermeer' })).names).toEqual([]);
    expect((await search(ctx, { family: 'castellanos' })).names).toEqual(['Castellanos Odile']);
  });

  it('finds those registered before the index key was changed and those after', async () => {
    const moving = await db.newTenant({ shardId: 'shard-2' });
    await register(moving, person({ family: 'Before' }));
    await db.crypto.rotate(moving.tenant.id, 'index');
    clock.advance(3_600_000);
    await register(moving, person({ family: 'Beforehand' }));
    expect((await search(moving, { family: 'before' })).names).toHaveLength(2);
    const tokens = await db.asAdmin<{ n: number }>(
      'shard-2',
      `select count(distinct token)::int as n from patient_token where tenant_id = $1 and kind = 3`,
      [moving.tenant.id],
    );
    expect(tokens).toEqual([{ n: 2 }]);
  });
});

describe('a registration', () => {
  let ctx: TenantContext;
  beforeEach(async () => {
    clock.set(start);
    ctx = await db.newTenant({ shardId: 'shard-1' });
  });
  const refusalOf = (who: Demographics, requestId = newId<string>()) =>
    register(ctx, who, { requestId }).then(
      () => null,
      (error: unknown) =>
        isAppError(error, 'patient.possible_duplicate') ? error.options.extra : Promise.reject(error),
    );

  it('of somebody who may be there already is refused with who it may be and why; the record says who was named', async () => {
    const { id } = await register(ctx, ada);
    const refused = await refusalOf({ ...ada, family: 'Lindquist', phone: null, email: null }, 'refused');
    expect(refused).toEqual({
      candidates: [
        {
          patientId: id,
          grade: 'certain',
          score: expect.any(Number),
          fields: ['family', 'given', 'birthDate', 'address'],
        },
      ],
    });
    expect(await eventsOf(ctx, 'refused')).toMatchObject([{ action: 'patient.match', subjects: [id] }]);
    expect((await services.patients.list(again(ctx), firstPage)).items).toHaveLength(1);
    expect(await refusalOf(person({ family: 'Ada', given: 'Lindqvist', birthDate: '1984-02-29' }))).not.toBeNull();
  });

  it('goes through when it is confirmed, and the record says so', async () => {
    await register(ctx, ada);
    const second = await register(ctx, ada, { force: true, requestId: 'forced' });
    const [event] = await eventsOf(ctx, 'forced');
    expect([event?.action, event?.fields.includes('force'), event?.subjects]).toEqual([
      'patient.create',
      true,
      [second.id],
    ]);
  });

  it('of a namesake with another birth date, or of the same person in another tenant, asks nothing', async () => {
    await register(ctx, person({ family: 'Smith', given: 'John', birthDate: '1951-03-04' }));
    expect(await refusalOf(person({ family: 'Smith', given: 'John', birthDate: '1988-10-21' }))).toBeNull();
    const elsewhere = await db.newTenant({ shardId: 'shard-1' });
    await register(ctx, ada);
    expect((await register(elsewhere, ada)).version).toBe(1);
  });

  it('sent by ten at once registers one person', async () => {
    const codes = await Promise.all(Array.from({ length: 10 }, () => codeOf(register(ctx, ada))));
    expect(codes.sort()).toEqual(['done', ...Array.from({ length: 9 }, () => 'patient.possible_duplicate')]);
  });

  it('repeated under its key gives the same answer and no second person', async () => {
    const idempotency = keyed();
    const first = await register(ctx, ada, { idempotency });
    const replayed = { ...idempotency, outcome: 'unused' as const };
    expect(await register(ctx, ada, { idempotency: replayed })).toEqual(first);
    expect(replayed.outcome).toBe('replayed');
    expect((await services.patients.list(again(ctx), firstPage)).items).toHaveLength(1);
  });

  it('of somebody who is not born yet is refused', async () => {
    expect(await codeOf(register(ctx, person({ birthDate: '2026-11-21' })))).toBe('done');
    expect(await codeOf(register(ctx, person({ birthDate: '2026-11-22' })))).toBe('patient.born_later');
  });

  it('without permission is refused before anything is read', async () => {
    const actor = { kind: 'user', id: newId(), sessionId: newId(), permissions: new Set(['patients.read']) } as never;
    expect(await codeOf(services.registration.create(again(ctx, { actor }), ada, plainly))).toBe('patient.forbidden');
    expect(await codeOf(services.searching.search(again(ctx, { actor }), { family: 'x' }, 5))).toBe(
      'patient.forbidden',
    );
    expect(await codeOf(services.patients.list(again(ctx, { actor }), firstPage))).toBe('patient.forbidden');
  });
});
