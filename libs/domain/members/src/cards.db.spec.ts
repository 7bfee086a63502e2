import { type Context, FixedClock, newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import {
  again,
  issuedCard,
  newAssociation,
  newMember,
  openServices,
  period,
  type Services,
} from '../test/association.js';
import type { CardId } from './card.js';
import type { MemberId } from './member.js';

const noon = Date.parse('2026-11-20T12:00:00Z');
const clock = new FixedClock(noon);
let db: TestDatabases;
let services: Services;

beforeAll(async () => {
  db = await openTestDatabases({ clock });
  services = openServices(db);
});
afterEach(() => clock.set(noon));
afterAll(() => db?.close());

const refusal = (code: string) => expect.objectContaining({ code });
const stranger = (): Context => ({
  ...db.newContext(),
  actor: { kind: 'anonymous' },
  deadline: Number.MAX_SAFE_INTEGER,
});
const resultOf = async (scan: string) => (await services.verification.verify(stranger(), scan)).result;
const audited = async (database: string, requestId: string) =>
  db.asAdmin<{ action: string; outcome: string; actor: string; resource: string | null; tenant: string }>(
    database,
    `select action, outcome, actor_type as actor, resource_id as resource, tenant_id as tenant
       from audit_event where request_id = $1`,
    [requestId],
  );

describe.each(['shard-1', 'shard-2'])('on %s', (shardId) => {
  it('of ten who issue a primary card to one member at once, one does', async () => {
    const ctx = await newAssociation(db, shardId);
    const { id } = await services.members.enrol(ctx, newMember());
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => services.cards.issue(again(ctx), id, true)),
    );
    const codes = outcomes.map((o) => (o.status === 'fulfilled' ? 'issued' : o.reason.code)).sort();
    expect(codes).toEqual([...Array(9).fill('card.primary_exists'), 'issued']);
    await expect(
      db.asAdmin(
        shardId,
        `insert into card (tenant_id, id, member_id, is_primary, status, issued_at)
         select tenant_id, gen_random_uuid(), member_id, true, 'active', issued_at from card where member_id = $1`,
        [id],
      ),
    ).rejects.toMatchObject({ constraint: 'card_one_primary' });
  });

  it('the first verification after the answer to a revocation refuses the card, after any number that said valid', async () => {
    const ctx = await newAssociation(db, shardId);
    const { card, scan } = await issuedCard(services, ctx);
    for (let n = 0; n < 5; n += 1) expect(await resultOf(scan)).toBe('valid');
    await services.cards.revoke(again(ctx), card.id, 1, 'stolen');
    expect(await resultOf(scan)).toBe('revoked');
    expect((await services.verification.inspect(again(ctx), scan)).result).toBe('revoked');
    const next = await services.cards.issue(again(ctx), card.memberId, true);
    const fresh = services.codes.write({ tenantId: ctx.tenant.id, cardId: next.id, version: 1 });
    expect([await resultOf(fresh), await resultOf(scan)]).toEqual(['valid', 'revoked']);
  });
});

describe('a card', () => {
  it('is refused even while a replica that others read from still shows it as active', async () => {
    const ctx = await newAssociation(db, 'shard-1');
    const { card, scan } = await issuedCard(services, ctx);
    const reader: TenantContext = { ...ctx, actor: { kind: 'anonymous' } };
    const replicaShows = () =>
      db.sharding.read(
        reader,
        async (tx) => {
          const sql = 'select status from card where id = $1 and pg_is_in_recovery()';
          return (await tx.db.query<{ status: string }>(sql, [card.id]))[0]?.status;
        },
        { from: 'replica' },
      );
    const caughtUp = await waitUntil(async () => {
      await db.databases.shard('shard-1').poll();
      return (await replicaShows()) === 'active';
    }, 10_000);
    expect(caughtUp).toBe(true);
    await db.freezeReplica();
    try {
      await services.cards.revoke(again(ctx), card.id, 1, 'lost');
      expect(await replicaShows()).toBe('active');
      expect(await resultOf(scan)).toBe('revoked');
    } finally {
      await db.thawReplica();
    }
  });

  it('verifies by what its member is and when: suspended, reinstated, before, within and after the membership', async () => {
    const ctx = await newAssociation(db);
    const { member, scan } = await issuedCard(services, ctx, { membership: period('2026-11-20', '2026-12-01') });
    expect(await resultOf(scan)).toBe('valid');
    await services.members.change(ctx, member.id, 1, 'suspend');
    expect(await resultOf(scan)).toBe('suspended');
    await services.members.change(ctx, member.id, 2, 'reinstate');
    expect(await resultOf(scan)).toBe('valid');
    for (const [at, result] of [
      ['2026-11-19T21:59:59Z', 'not_yet_valid'],
      ['2026-11-19T22:00:00Z', 'valid'],
      ['2026-11-30T21:59:59Z', 'valid'],
      ['2026-11-30T22:00:00Z', 'expired'],
    ] as const) {
      clock.set(Date.parse(at));
      expect([at, await resultOf(scan)]).toEqual([at, result]);
      expect((await services.cards.read(ctx, (await services.cards.ofMember(ctx, member.id))[0]!.id)).validity).toBe(
        result,
      );
    }
    await services.members.addMembership(ctx, member.id, period('2026-12-01', '2027-12-01'));
    expect(await resultOf(scan)).toBe('valid');
  });

  it('is issued to active members only, five at a time', async () => {
    const ctx = await newAssociation(db);
    const { member } = await issuedCard(services, ctx);
    for (let n = 1; n < 5; n += 1) await services.cards.issue(ctx, member.id, false);
    await expect(services.cards.issue(ctx, member.id, false)).rejects.toEqual(refusal('card.too_many'));
    const { id } = await services.members.enrol(ctx, newMember());
    await services.members.change(ctx, id, 1, 'suspend');
    await expect(services.cards.issue(ctx, id, true)).rejects.toEqual(refusal('member.wrong_state'));
    await expect(services.cards.issue(ctx, newId<MemberId>(), true)).rejects.toEqual(refusal('member.not_found'));
  });

  it('is revoked once, by whoever has read its last version, for a reason that its history keeps for good', async () => {
    const ctx = await newAssociation(db);
    const { card } = await issuedCard(services, ctx);
    await expect(services.cards.revoke(ctx, card.id, 2, 'lost')).rejects.toEqual(refusal('card.version_conflict'));
    const revoked = await services.cards.revoke(ctx, card.id, 1, 'lost');
    expect(revoked).toMatchObject({
      status: 'revoked',
      reason: 'lost',
      version: 2,
      revokedAt: noon,
      validity: 'revoked',
    });
    await expect(services.cards.revoke(ctx, card.id, 2, 'other')).rejects.toEqual(refusal('card.revoked'));
    await expect(services.cards.print(ctx, card.id, 'svg')).rejects.toEqual(refusal('card.revoked'));
    expect(await services.cards.history(ctx, card.id)).toEqual([
      { version: 1, event: 'issued', reason: null, actorKind: 'system', actorId: 'test', at: noon },
      { version: 2, event: 'revoked', reason: 'lost', actorKind: 'system', actorId: 'test', at: noon },
    ]);
    for (const statement of [
      `update card_history set reason = 'other'`,
      'delete from card_history',
      'delete from card',
    ])
      await expect(db.asApp('shard-1', statement)).rejects.toMatchObject({ code: '42501' });
    await expect(db.asAdmin('shard-1', 'truncate card_history')).rejects.toThrow('append-only');
  });

  it('of another tenant is unknown to staff here, and no verb reaches it', async () => {
    const [ctx, other] = [await newAssociation(db), await newAssociation(db)];
    const { card, member, scan } = await issuedCard(services, ctx);
    expect(await services.verification.inspect(other, scan)).toEqual({
      result: 'unknown',
      checkedAt: noon,
      card: null,
      member: null,
    });
    for (const verb of [
      () => services.cards.read(other, card.id),
      () => services.cards.history(other, card.id),
      () => services.cards.print(other, card.id, 'png'),
      () => services.cards.revoke(other, card.id, 1, 'lost'),
    ])
      await expect(verb()).rejects.toEqual(refusal('card.not_found'));
    await expect(services.cards.ofMember(other, member.id)).rejects.toEqual(refusal('member.not_found'));
    expect(await resultOf(scan)).toBe('valid');
  });
});

describe('a verification', () => {
  it('tells a stranger the verdict and nothing else, and staff whose card it is', async () => {
    const ctx = await newAssociation(db);
    const { card, member, scan } = await issuedCard(services, ctx);
    expect(await services.verification.verify(stranger(), scan)).toEqual({ result: 'valid', checkedAt: noon });
    const seen = await services.verification.inspect(ctx, scan);
    expect(seen).toEqual({ result: 'valid', checkedAt: noon, card, member });
  });

  it('of a code that we signed for no card, no tenant or a version that never was, is unknown', async () => {
    const ctx = await newAssociation(db);
    const { card } = await issuedCard(services, ctx);
    const claim = { tenantId: ctx.tenant.id, cardId: card.id, version: 1 };
    for (const wrong of [
      { ...claim, cardId: newId<CardId>() },
      { ...claim, tenantId: newId<TenantContext['tenant']['id']>() },
      { ...claim, tenantId: (await newAssociation(db)).tenant.id },
      { ...claim, version: 2 },
    ])
      expect(await resultOf(services.codes.write(wrong))).toBe('unknown');
    expect(await resultOf('https://example.org/v/1')).toBe('unknown');
  });

  it('is recorded in the log of the card’s tenant, which the caller never named', async () => {
    const ctx = await newAssociation(db, 'shard-2');
    const { card, scan } = await issuedCard(services, ctx);
    const asking = { ...stranger(), tenant: (await newAssociation(db, 'shard-1')).tenant };
    expect((await services.verification.verify(asking, scan)).result).toBe('valid');
    expect(await audited('shard-2', asking.requestId)).toEqual([
      { action: 'card.verify', outcome: 'success', actor: 'anonymous', resource: card.id, tenant: ctx.tenant.id },
    ]);
    expect(await audited('shard-1', asking.requestId)).toEqual([]);
    const missing = stranger();
    await services.verification.verify(
      missing,
      services.codes.write({ tenantId: ctx.tenant.id, cardId: newId<CardId>(), version: 1 }),
    );
    expect(await audited('shard-2', missing.requestId)).toMatchObject([{ action: 'card.verify', outcome: 'failure' }]);
  });

  it('gives no verdict that could not be recorded', async () => {
    const ctx = await newAssociation(db);
    const { scan } = await issuedCard(services, ctx);
    await db.asAdmin('shard-1', 'alter table audit_event rename to audit_event_away');
    try {
      await expect(services.verification.verify(stranger(), scan)).rejects.toEqual(refusal('audit.unavailable'));
    } finally {
      await db.asAdmin('shard-1', 'alter table audit_event_away rename to audit_event');
    }
  });
});

describe('what happens to a card', () => {
  it('is announced by ids, in order, and each reading leaves one record', async () => {
    const ctx = await newAssociation(db);
    const { card, member, scan } = await issuedCard(services, ctx);
    const requests: [string, (ctx: TenantContext) => Promise<unknown>][] = [
      ['card.read', (c) => services.cards.read(c, card.id)],
      ['card.list', (c) => services.cards.ofMember(c, member.id)],
      ['card.history', (c) => services.cards.history(c, card.id)],
      ['card.print', (c) => services.cards.print(c, card.id, 'png')],
      ['card.inspect', (c) => services.verification.inspect(c, scan)],
      ['card.revoke', (c) => services.cards.revoke(c, card.id, 1, 'damaged')],
    ];
    for (const [action, run] of requests) {
      const asking = again(ctx);
      await run(asking);
      expect(await audited('shard-1', asking.requestId)).toMatchObject([{ action, outcome: 'success' }]);
    }
    const facts = await db.asAdmin(
      'shard-1',
      `select name, key, payload from outbox where tenant_id = $1 and name like 'card.%' order by id`,
      [ctx.tenant.id],
    );
    const payload = { cardId: card.id, memberId: member.id };
    expect(facts).toEqual([
      { name: 'card.issued', key: card.id, payload: { ...payload, version: 1 } },
      { name: 'card.revoked', key: card.id, payload: { ...payload, version: 2 } },
    ]);
  });
});
