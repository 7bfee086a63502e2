import { FixedClock, newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import {
  again,
  newAssociation,
  newMember,
  newPassport,
  openServices,
  period,
  type Services,
} from '../test/association.js';
import { isMemberNo, type MemberId } from './member.js';

const clock = new FixedClock(Date.parse('2026-11-20T12:00:00Z'));
let db: TestDatabases;
let services: Services;

beforeAll(async () => {
  db = await openTestDatabases({ clock });
  services = openServices(db);
});
afterAll(() => db?.close());

const refusal = (code: string) => expect.objectContaining({ code });
const audited = async (ctx: TenantContext) =>
  (
    await db.asAdmin<{ told: string }>(
      'shard-1',
      `select action || ' ' || outcome as told from audit_event where request_id = $1 order by id`,
      [ctx.requestId],
    )
  ).map(({ told }) => told);

describe.each(['shard-1', 'shard-2'])('on %s', (shardId) => {
  it('of twenty who enrol the same id number at once, one is enrolled and nineteen are refused', async () => {
    const ctx = await newAssociation(db, shardId);
    const number = '800101 5009 087';
    const spellings = [number, '8001015009087', '8001-01-5009087'];
    const attempts = Array.from({ length: 20 }, (_, n) =>
      services.members.enrol(again(ctx), newMember({ idScheme: 'za-id', idNumber: spellings[n % 3]! })),
    );
    const outcomes = await Promise.allSettled(attempts);
    const codes = outcomes.map((o) => (o.status === 'fulfilled' ? 'enrolled' : o.reason.code)).sort();
    expect(codes).toEqual(['enrolled', ...Array(19).fill('member.already_enrolled')].sort());
    for (const table of ['member', 'member_id_token', 'membership', 'outbox'])
      expect(await count(shardId, table, ctx)).toBe(1);
    for (const spelling of spellings)
      expect((await services.members.lookup(ctx, 'za-id', spelling)).idNumber.masked).toBe('80010*****087');
  });

  it('twenty who enrol at once get twenty membership numbers in a row, and an enrolment that fails takes none', async () => {
    const ctx = await newAssociation(db, shardId);
    const taken = newMember();
    await services.members.enrol(ctx, taken);
    await expect(services.members.enrol(ctx, taken)).rejects.toEqual(refusal('member.already_enrolled'));
    const all = await Promise.all(Array.from({ length: 20 }, () => services.members.enrol(again(ctx), newMember())));
    const numbers = all.map(({ memberNo }) => memberNo).sort();
    expect(numbers.every(isMemberNo)).toBe(true);
    expect(numbers.map((no) => Number(no.slice(0, 8)))).toEqual(Array.from({ length: 20 }, (_, n) => n + 2));
  });
});

describe('an id number', () => {
  it('enrols once in each tenant, and is found only there', async () => {
    const [ctx, neighbour, far] = [
      await newAssociation(db),
      await newAssociation(db),
      await newAssociation(db, 'shard-2'),
    ];
    const idNumber = newPassport();
    const member = await services.members.enrol(ctx, newMember({ idNumber }));
    for (const other of [neighbour, far]) {
      const strange = await services.members.lookup(other, 'generic', idNumber).catch((error: unknown) => error);
      const unknown = await services.members.lookup(other, 'generic', newPassport()).catch((error: unknown) => error);
      expect(strange).toEqual(unknown);
      expect(strange).toEqual(refusal('member.not_found'));
      await expect(services.members.read(other, member.id)).rejects.toEqual(refusal('member.not_found'));
      expect((await services.members.enrol(other, newMember({ idNumber }))).id).not.toBe(member.id);
    }
    expect((await services.members.lookup(ctx, 'generic', idNumber)).id).toBe(member.id);
  });

  it('that is wrong is refused before anything is asked of a database, and costs no record', async () => {
    const ctx = again(await newAssociation(db));
    const wrong = newMember({ idScheme: 'za-id', idNumber: '8001015009088' });
    await expect(services.members.enrol(ctx, wrong)).rejects.toEqual(refusal('member.id_number_invalid'));
    await expect(services.members.lookup(ctx, 'za-id', wrong.idNumber)).rejects.toEqual(
      refusal('member.id_number_invalid'),
    );
    expect(await audited(ctx)).toEqual([]);
  });

  it('stands in no row but inside the envelope, as the name does; the token is another for every tenant', async () => {
    const [ctx, other] = [await newAssociation(db), await newAssociation(db)];
    const idNumber = newPassport();
    for (const each of [ctx, other]) await services.members.enrol(each, newMember({ idNumber }));
    const tokens = await db.asAdmin<{ token: Buffer }>(
      'shard-1',
      'select token from member_id_token where tenant_id = any($1)',
      [[ctx.tenant.id, other.tenant.id]],
    );
    expect(new Set(tokens.map(({ token }) => token.toString('hex'))).size).toBe(2);
    for (const table of ['member', 'member_id_token', 'membership', 'outbox', 'audit_event', 'audit_subject']) {
      const rows = await db.asAdmin<Record<string, unknown>>('shard-1', `select * from ${table}`);
      const text = rows
        .flatMap(Object.values)
        .map((v) => (Buffer.isBuffer(v) ? v.toString('latin1') : JSON.stringify(v)));
      expect(text.join('\n')).not.toMatch(new RegExp(`${idNumber}|Wilhelmina|Canary`, 'i'));
    }
  });

  it('still lets nobody enrol twice, and is still found, after the key of the index was changed', async () => {
    const ctx = await newAssociation(db);
    const early = newMember();
    const member = await services.members.enrol(ctx, early);
    await db.crypto.rotate(ctx.tenant.id, 'index');
    const late = newMember();
    await services.members.enrol(ctx, late);
    expect(await count('shard-1', 'member_id_token', ctx)).toBe(3);
    expect((await services.members.lookup(ctx, 'generic', early.idNumber)).id).toBe(member.id);
    for (const known of [early, late])
      await expect(services.members.enrol(ctx, known)).rejects.toEqual(refusal('member.already_enrolled'));
  });
});

describe('memberships', () => {
  it('of one member share no day: of two that overlap and are added at once, one is refused', async () => {
    const ctx = await newAssociation(db);
    const { id } = await services.members.enrol(ctx, newMember({ membership: period('2026-01-01', '2026-06-01') }));
    const outcomes = await Promise.allSettled([
      services.members.addMembership(again(ctx), id, period('2026-06-01', '2027-01-01')),
      services.members.addMembership(again(ctx), id, period('2026-12-31', '2027-06-01')),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const rejected = outcomes.find((o) => o.status === 'rejected');
    expect(rejected?.reason).toEqual(refusal('membership.overlap'));
    const { memberships, version } = await services.members.read(ctx, id);
    expect([memberships.length, version]).toEqual([2, 2]);
    expect(memberships[0]).toMatchObject(period('2026-01-01', '2026-06-01'));
    await expect(
      db.asAdmin(
        'shard-1',
        `insert into membership select tenant_id, gen_random_uuid(), member_id, period, tz, created_by, created_at
           from membership where member_id = $1`,
        [id],
      ),
    ).rejects.toMatchObject({ constraint: 'membership_no_overlap' });
  });

  it('last at least a day, in the calendar of a zone that exists', async () => {
    const ctx = await newAssociation(db);
    for (const [membership, code] of [
      [period('2026-02-01', '2026-02-01'), 'membership.range_invalid'],
      [period('2026-02-02', '2026-02-01'), 'membership.range_invalid'],
      [period('2026-02-02', null, 'Africa/Atlantis'), 'membership.unknown_zone'],
    ] as const)
      await expect(services.members.enrol(ctx, newMember({ membership }))).rejects.toEqual(refusal(code));
    expect(await count('shard-1', 'member', ctx)).toBe(0);
  });
});

describe('a member', () => {
  it('is changed only by whoever has read the last version, along the arrows', async () => {
    const ctx = await newAssociation(db);
    const { id } = await services.members.enrol(ctx, newMember());
    expect(await services.members.change(ctx, id, 1, 'suspend')).toMatchObject({ status: 'suspended', version: 2 });
    await expect(services.members.change(ctx, id, 1, 'reinstate')).rejects.toEqual(refusal('member.version_conflict'));
    await expect(services.members.change(ctx, id, 2, 'suspend')).rejects.toEqual(refusal('member.wrong_state'));
    await services.members.change(ctx, id, 2, 'resign');
    await expect(services.members.addMembership(ctx, id, period('2020-01-01', '2021-01-01'))).rejects.toEqual(
      refusal('member.wrong_state'),
    );
    await expect(services.members.change(ctx, newId<MemberId>(), 1, 'resign')).rejects.toEqual(
      refusal('member.not_found'),
    );
  });

  it('is listed once, in order of enrolment, page by page, by status too', async () => {
    const ctx = await newAssociation(db);
    const enrolled: MemberId[] = [];
    for (let n = 0; n < 7; n += 1) enrolled.push((await services.members.enrol(ctx, newMember())).id);
    await services.members.change(ctx, enrolled[3]!, 1, 'suspend');
    const seen: MemberId[] = [];
    for (let after: MemberId | null = null, turns = 0; turns < 4; turns += 1) {
      const page: Awaited<ReturnType<typeof services.members.list>> = await services.members.list(
        ctx,
        {},
        { limit: 3, after },
      );
      seen.push(...page.items.map(({ id }) => id));
      after = page.next;
      if (after === null) break;
    }
    expect(seen).toEqual(enrolled);
    const suspended = await services.members.list(ctx, { status: 'suspended' }, { limit: 3, after: null });
    expect(suspended.items.map(({ id }) => id)).toEqual([enrolled[3]]);
  });

  it('is enrolled once under one Idempotency-Key, with the same answer', async () => {
    const ctx = await newAssociation(db);
    const body = newMember();
    const once = () => ({
      ...again(ctx),
      idempotency: { key: 'k', route: 'r', fingerprint: Buffer.alloc(32), outcome: 'unused' as const },
    });
    const first = await services.members.enrol(once(), body);
    expect(await services.members.enrol(once(), body)).toEqual(first);
    expect(await count('shard-1', 'member', ctx)).toBe(1);
  });
});

describe('every reading and every change', () => {
  it('leaves one record, the lookup that finds nobody too; only the enrolment is announced, by id', async () => {
    const ctx = await newAssociation(db);
    const requests: [string, (ctx: TenantContext) => Promise<unknown>][] = [];
    const body = newMember();
    const { id } = await services.members.enrol(ctx, body);
    expect(await audited(ctx)).toEqual(['member.enrol success']);
    requests.push(['member.read success', (c) => services.members.read(c, id)]);
    requests.push(['member.lookup success', (c) => services.members.lookup(c, 'generic', body.idNumber)]);
    requests.push([
      'member.lookup failure',
      (c) => services.members.lookup(c, 'generic', newPassport()).catch(() => 0),
    ]);
    requests.push(['member.list success', (c) => services.members.list(c, {}, { limit: 5, after: null })]);
    requests.push(['member.suspend success', (c) => services.members.change(c, id, 1, 'suspend')]);
    requests.push([
      'member.add_membership success',
      (c) => services.members.addMembership(c, id, period('2019-01-01', '2020-01-01')),
    ]);
    for (const [told, run] of requests) {
      const asking = again(ctx);
      await run(asking);
      expect(await audited(asking)).toEqual([told]);
    }
    const facts = await db.asAdmin(
      'shard-1',
      "select name, key, payload from outbox where tenant_id = $1 and kind = 'fact'",
      [ctx.tenant.id],
    );
    expect(facts).toEqual([{ name: 'member.enrolled', key: id, payload: { memberId: id, version: 1 } }]);
  });
});

async function count(database: string, table: string, ctx: TenantContext): Promise<number> {
  const sql = `select count(*)::int as n from ${table} where tenant_id = $1`;
  const [row] = await db.asAdmin<{ n: number }>(database, sql, [ctx.tenant.id]);
  return row?.n ?? -1;
}
