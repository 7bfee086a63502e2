import type { TenantContext } from '#infra/kernel';
import { onNudge } from '#infra/queues';
import { waitUntil } from '#infra/testing';
import { channelOf, Follower, keyOf, RealtimeRig, upTo } from '../test/realtime-rig.js';
import type { FactFeed } from './fact-feed.js';

const soonMs = 10_000;
/** Longer than any test. */
const neverMs = 3_600_000;

let rig: RealtimeRig;
let ctx: TenantContext;
let feed: FactFeed;
beforeAll(async () => {
  rig = await RealtimeRig.open();
});
beforeEach(async () => {
  ctx = await rig.databases.newTenant({ shardId: 'shard-2' });
  feed = rig.newFeed();
  rig.lines.length = 0;
});
afterEach(() => feed.close());
afterAll(() => rig.close());

const redis = () => rig.databases.redis.get('realtime');
const told = (follower: Follower, count: number) => waitUntil(async () => follower.told.length >= count, soonMs);
const subscribers = async (): Promise<number> =>
  Number(((await redis().call('PUBSUB', 'SHARDNUMSUB', channelOf(ctx))) as unknown[])[1]);

describe('a follower of a tenant', () => {
  it('is told every fact after its position, once and in order, while many commit and two relays run', async () => {
    await rig.tellAndRelay(ctx, 1, 3);
    const [early, late] = [new Follower(), new Follower()];
    expect(await feed.follow(ctx, early.onFact)).toMatchObject({ position: 3 });
    const relays = [rig.newRelay(), rig.newRelay()];
    const unsubscribe = await onNudge(rig.databases.redis, { fact: () => relays.map((relay) => relay.wake()) });
    for (const relay of relays) relay.start();
    const write = async (writer: number) => {
      for (let n = 0; n < 25; n += 1) {
        const writing = rig.databases.sharding.write(ctx, async (tx) => {
          await rig.outbox.append(tx, {
            kind: 'fact',
            name: 'thing.found',
            key: 'k',
            payload: { thingId: ctx.tenant.id, n },
          });
          if ((writer + n) % 5 === 0) throw new Error('undone');
        });
        await writing.catch(() => undefined);
      }
    };
    const writing = upTo(8).map(write);
    const { position } = await feed.follow(ctx, late.onFact);
    await Promise.all(writing);
    const count = 8 * 20;
    expect(await told(early, count)).toBe(true);
    expect(early.numbers).toEqual(upTo(count, 4));
    expect(late.numbers).toEqual(upTo(count + 3 - position, position + 1));
    unsubscribe();
    await Promise.all(relays.map((relay) => relay.stop()));
  });

  it('hears of a fact as it was published', async () => {
    const follower = new Follower();
    await feed.follow(ctx, follower.onFact);
    await rig.tellAndRelay(ctx, 7);
    await told(follower, 1);
    expect(follower.told).toEqual((await rig.facts.after(ctx, 0)).facts);
  });

  it('is told what the channel did not bring, when the next message shows it', async () => {
    const follower = new Follower();
    await feed.follow(ctx, follower.onFact);
    await rig.tellAndRelay(ctx, 1, 1);
    await told(follower, 1);
    await rig.tellUnheard(ctx, 2, 3);
    expect(follower.numbers).toEqual([1]);
    await rig.tellAndRelay(ctx, 5);
    await told(follower, 5);
    expect(follower.numbers).toEqual([1, 2, 3, 4, 5]);
  });

  it('is told a last message that was lost, and its channel is subscribed to anew', async () => {
    const looking = rig.newFeed({ lookEveryMs: 300, blindLookEveryMs: 100 });
    const follower = new Follower();
    await looking.follow(ctx, follower.onFact);
    await rig.tellUnheard(ctx, 1, 2);
    expect(await told(follower, 2)).toBe(true);
    await rig.tellAndRelay(ctx, 3);
    expect(await told(follower, 3)).toBe(true);
    expect(follower.numbers).toEqual([1, 2, 3]);
    expect(await subscribers()).toBe(1);
  });

  it('is told from the database what the stream no longer has', async () => {
    const follower = new Follower();
    const patient = rig.newFeed({ lookEveryMs: neverMs, blindLookEveryMs: neverMs });
    await patient.follow(ctx, follower.onFact);
    await rig.tellUnheard(ctx, 1, 3);
    await redis().del(keyOf(ctx));
    await rig.tellAndRelay(ctx, 4);
    await told(follower, 4);
    expect(follower.numbers).toEqual([1, 2, 3, 4]);
  });

  it('is told nothing twice by messages that come again, and is not misled by what is no fact', async () => {
    const follower = new Follower();
    await feed.follow(ctx, follower.onFact);
    await rig.tellAndRelay(ctx, 1, 2);
    await told(follower, 2);
    const entries = await redis().xrange(keyOf(ctx), '-', '+');
    for (const [, [, text = '']] of entries) await redis().spublish(channelOf(ctx), text);
    for (const text of ['', 'no fact', '{"seq":9}', '[]']) await redis().spublish(channelOf(ctx), text);
    await rig.tellAndRelay(ctx, 3);
    await told(follower, 3);
    expect(follower.numbers).toEqual([1, 2, 3]);
  });

  it('is told no fact of another tenant', async () => {
    const [own, others] = [new Follower(), new Follower()];
    const other = await rig.databases.newTenant({ shardId: 'shard-2' });
    await feed.follow(ctx, own.onFact);
    await feed.follow(other, others.onFact);
    await rig.tell(other, 1, 5);
    await rig.tell(ctx, 1, 2);
    await rig.relayAll();
    await Promise.all([told(own, 2), told(others, 5)]);
    expect(new Set(own.told.map(({ tenantId }) => tenantId))).toEqual(new Set([ctx.tenant.id]));
    expect(own.numbers).toEqual([1, 2]);
    expect(others.numbers).toEqual([1, 2, 3, 4, 5]);
  });

  it('does not suffer from another that fails, and hears nothing after it has stopped', async () => {
    const [steady, leaving] = [new Follower(), new Follower()];
    await feed.follow(ctx, () => {
      throw new Error('broken');
    });
    const following = await feed.follow(ctx, leaving.onFact);
    await feed.follow(ctx, steady.onFact);
    await rig.tellAndRelay(ctx, 1);
    await told(steady, 1);
    following.stop();
    following.stop();
    await rig.tellAndRelay(ctx, 2);
    await told(steady, 2);
    expect(steady.numbers).toEqual([1, 2]);
    expect(leaving.numbers).toEqual([1]);
    expect(rig.lines.filter((line) => line.includes('realtime.follower_failed'))).toHaveLength(2);
  });

  it('shares one subscription with the others of its tenant; the last one ends it, the next one begins anew', async () => {
    const followings = await Promise.all(Array.from({ length: 20 }, () => feed.follow(ctx, () => undefined)));
    expect(await subscribers()).toBe(1);
    for (const { stop } of followings.slice(1)) stop();
    expect(await subscribers()).toBe(1);
    followings[0]?.stop();
    expect(await waitUntil(async () => (await subscribers()) === 0, soonMs)).toBe(true);
    await rig.tellAndRelay(ctx, 1, 2);
    const follower = new Follower();
    expect(await feed.follow(ctx, follower.onFact)).toMatchObject({ position: 2 });
    await rig.tellAndRelay(ctx, 3);
    await told(follower, 1);
    expect(follower.numbers).toEqual([3]);
  });

  it('goes on behind facts that are gone, and the gap is logged', async () => {
    const follower = new Follower();
    const patient = rig.newFeed({ lookEveryMs: neverMs, blindLookEveryMs: neverMs });
    await patient.follow(ctx, follower.onFact);
    await rig.tellUnheard(ctx, 1, 3);
    await redis().del(keyOf(ctx));
    await rig.databases.asAdmin('shard-2', 'delete from outbox where tenant_id = $1 and seq < 3', [ctx.tenant.id]);
    await rig.tellAndRelay(ctx, 4);
    await told(follower, 2);
    expect(follower.numbers).toEqual([3, 4]);
    const [line] = rig.lines.filter((each) => each.includes('realtime.facts_gone'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ 'praxis.from': 0, 'praxis.to': 2 });
  });

  it('is refused by a feed that is closed, and by one that cannot ask where the tenant is; it may ask again', async () => {
    const follower = new Follower();
    await rig.databases.asAdmin('shard-2', 'alter table fact_sequence rename to fact_sequence_away');
    await expect(feed.follow(ctx, follower.onFact)).rejects.toThrow('fact_sequence');
    await rig.databases.asAdmin('shard-2', 'alter table fact_sequence_away rename to fact_sequence');
    await feed.follow(ctx, follower.onFact);
    await rig.tellAndRelay(ctx, 1);
    await told(follower, 1);
    await feed.close();
    await expect(feed.follow(ctx, follower.onFact)).rejects.toMatchObject({ code: 'realtime.closed' });
    await rig.tellAndRelay(ctx, 2);
    expect(follower.numbers).toEqual([1]);
    expect(await waitUntil(async () => (await subscribers()) === 0, soonMs)).toBe(true);
  });
});
