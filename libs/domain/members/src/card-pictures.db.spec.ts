import { encodeQR } from 'qr';
import { FixedClock } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { again, issuedCard, newAssociation, newMember, openServices, type Services } from '../test/association.js';
import type { CardId } from './card.js';
import { qrImage } from './qr-image.js';

/** The encoder itself, with every call counted. */
jest.mock('qr', () => {
  const encoder = jest.requireActual('qr');
  return { ...encoder, encodeQR: jest.fn(encoder.encodeQR) };
});
const drawn = () => jest.mocked(encodeQR).mock.calls.length;

const clock = new FixedClock(Date.parse('2026-11-20T12:00:00Z'));
let db: TestDatabases;
let here: Services;
/** The same domain in another process: memory of its own, the same Redis. */
let there: Services;

beforeAll(async () => {
  db = await openTestDatabases({ clock });
  [here, there] = [openServices(db), openServices(db)];
  expect(await db.redis.ready('cache', 5_000)).toBe(true);
});
beforeEach(() => jest.mocked(encodeQR).mockClear());
afterAll(() => db?.close());

const refusal = (code: string) => expect.objectContaining({ code });
const prints = async (id: CardId) =>
  db.asAdmin<{ n: number }>(
    'shard-1',
    `select count(*)::int as n from audit_event where action = 'card.print' and resource_id = $1`,
    [id],
  );

describe('the picture of a card', () => {
  it.each(['svg', 'png'] as const)(
    'as %s is drawn once for all processes, and each look at it is recorded',
    async (format) => {
      const ctx = await newAssociation(db);
      const { card, scan } = await issuedCard(here, ctx);
      const first = await here.cards.print(again(ctx), card.id, format);
      expect(drawn()).toBe(1);
      const others = [];
      for (const services of [here, here, there, there])
        others.push(await services.cards.print(again(ctx), card.id, format));
      expect(drawn()).toBe(1);
      expect(await prints(card.id)).toEqual([{ n: 5 }]);
      for (const each of others) expect(each.equals(first)).toBe(true);
      expect(first.equals(qrImage(scan, format).content)).toBe(true);
    },
  );

  it('is refused from the revocation on, to everybody, though all caches have it; the next card has another', async () => {
    const ctx = await newAssociation(db);
    const { card } = await issuedCard(here, ctx);
    const old = await here.cards.print(again(ctx), card.id, 'svg');
    await there.cards.print(again(ctx), card.id, 'svg');
    await here.cards.revoke(again(ctx), card.id, 1, 'stolen');
    for (const services of [here, there])
      await expect(services.cards.print(again(ctx), card.id, 'svg')).rejects.toEqual(refusal('card.revoked'));
    const next = await here.cards.issue(again(ctx), card.memberId, true);
    const fresh = await there.cards.print(again(ctx), next.id, 'svg');
    expect(fresh.equals(old)).toBe(false);
    expect((await there.cards.generate(again(ctx), card.memberId)).face.svg).toBe(fresh.toString());
  });

  it('is nobody’s without the permission and no other tenant’s, and no word of its code lies in Redis', async () => {
    const ctx = await newAssociation(db);
    const { card, scan } = await issuedCard(here, ctx);
    await here.cards.print(again(ctx), card.id, 'svg');
    const stranger = { ...again(ctx), actor: { kind: 'anonymous' } as const };
    await expect(here.cards.print(stranger, card.id, 'svg')).rejects.toEqual(refusal('member.forbidden'));
    const other = await newAssociation(db);
    await expect(here.cards.print(other, card.id, 'svg')).rejects.toEqual(refusal('card.not_found'));
    const redis = db.redis.get('cache');
    const keys = await redis.keys(`c1:{t:${ctx.tenant.id}}:*`);
    const values = await Promise.all(keys.map((key) => redis.getBuffer(key)));
    expect(keys.filter((key) => key.includes(':qrCodes:'))).toHaveLength(1);
    expect([...keys, ...values].filter((text) => text?.includes(scan) || text?.includes('<svg'))).toEqual([]);
  });
});

describe('a generated card', () => {
  it('[B-062] asks no QR work of any process for half an hour after the first', async () => {
    const ctx = await newAssociation(db);
    const { card, scan } = await issuedCard(here, ctx);
    const first = await here.cards.generate(again(ctx), card.memberId);
    expect([drawn(), first.face.code]).toEqual([1, scan]);
    for (const services of [here, there, there]) {
      const { card: shown, face } = await services.cards.generate(again(ctx), card.memberId);
      expect([shown, face]).toEqual([first.card, first.face]);
    }
    expect(drawn()).toBe(1);
    const keys = await db.redis.get('cache').keys(`c1:{t:${ctx.tenant.id}}:cardData:*`);
    const ttls = await Promise.all(keys.map((key) => db.redis.get('cache').pttl(key)));
    expect(ttls).toHaveLength(1);
    expect(Math.abs((ttls[0] ?? 0) - 1_800_000)).toBeLessThanOrEqual(182_000);
  });

  it('is the active primary card, with what it is worth now; without one there is none', async () => {
    const ctx = await newAssociation(db);
    const { member, card } = await issuedCard(here, ctx);
    await here.cards.issue(again(ctx), member.id, false);
    await here.members.change(again(ctx), member.id, 1, 'suspend');
    const { card: shown } = await here.cards.generate(again(ctx), member.id);
    expect([shown.id, shown.validity]).toEqual([card.id, 'suspended']);
    await here.cards.revoke(again(ctx), card.id, 1, 'lost');
    await expect(here.cards.generate(again(ctx), member.id)).rejects.toEqual(refusal('card.not_found'));
    const { id } = await here.members.enrol(again(ctx), newMember());
    await expect(here.cards.generate(again(ctx), id)).rejects.toEqual(refusal('card.not_found'));
    await expect(here.cards.generate(await newAssociation(db), member.id)).rejects.toEqual(refusal('member.not_found'));
  });
});
