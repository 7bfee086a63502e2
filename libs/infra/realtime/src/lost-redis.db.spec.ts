import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TenantContext } from '#infra/kernel';
import { onNudge } from '#infra/queues';
import { LocalCluster, RedisCluster, type RedisServer, waitUntil } from '#infra/testing';
import { Follower, keyOf, RealtimeRig, upTo } from '../test/realtime-rig.js';

const longMs = 30_000;
const intervals = { lookEveryMs: 2_000, blindLookEveryMs: 100 };
const told = (follower: Follower, count: number) => waitUntil(async () => follower.told.length >= count, longMs);

/** A Redis of this file's own, which forgets everything when it ends; PostgreSQL comes with it. */
class OwnRedis {
  private readonly home = mkdtempSync(join(tmpdir(), 'praxis-realtime-'));
  private cluster: LocalCluster | undefined;

  get server(): RedisServer {
    if (!this.cluster?.redis) throw new Error('not started');
    return this.cluster.redis;
  }

  async start(): Promise<void> {
    await this.cluster?.stop();
    this.cluster = await LocalCluster.start({
      home: this.home,
      servers: 1,
      replica: false,
      durable: false,
      redis: true,
    });
  }

  async remove(): Promise<void> {
    await this.cluster?.stop();
    rmSync(this.home, { recursive: true, force: true });
  }
}

describe('a follower, where Redis fails', () => {
  const own = new OwnRedis();
  let rig: RealtimeRig;
  let ctx: TenantContext;
  beforeAll(async () => {
    await own.start();
    rig = await RealtimeRig.open({ REDIS_REALTIME_URL: own.server.url });
  }, 60_000);
  beforeEach(async () => {
    ctx = await rig.databases.newTenant({ shardId: 'shard-2' });
  });
  afterAll(async () => {
    await rig?.close();
    await own.remove();
  });

  it('misses nothing and is told nothing twice when all of it is flushed while facts flow', async () => {
    const follower = new Follower();
    await rig.newFeed(intervals).follow(ctx, follower.onFact);
    for (const n of upTo(40)) {
      await rig.tellAndRelay(ctx, n);
      if (n % 7 === 0) await rig.databases.redis.get('realtime').flushall();
    }
    await told(follower, 40);
    expect(follower.numbers).toEqual(upTo(40));
    expect((await rig.facts.after(ctx, 3)).facts.map(({ seq }) => seq)).toEqual(upTo(37, 4));
  });

  it('is told of what happens while Redis is stopped, and of everything after it came back empty', async () => {
    const follower = new Follower();
    await rig.newFeed(intervals).follow(ctx, follower.onFact);
    const late = new Follower();
    const other = await rig.databases.newTenant({ shardId: 'shard-1' });
    await rig.tellAndRelay(ctx, 1, 2);
    await told(follower, 2);
    await own.server.stop();
    rig.relay.start();
    await rig.tell(ctx, 3, 2);
    expect(await told(follower, 4)).toBe(true);
    expect((await rig.facts.after(ctx, 1)).facts.map(({ seq }) => seq)).toEqual([2, 3, 4]);
    await rig.newFeed(intervals).follow(other, late.onFact);
    await rig.tell(other, 1, 3);
    expect(await told(late, 3)).toBe(true);

    await own.start();
    expect(await waitUntil(async () => (await rig.stream(ctx)).includes(4), longMs)).toBe(true);
    await rig.tell(ctx, 5, 2);
    await rig.tell(other, 4);
    await Promise.all([told(follower, 6), told(late, 4)]);
    expect(follower.numbers).toEqual(upTo(6));
    expect(late.numbers).toEqual(upTo(4));
    await waitUntil(async () => (await rig.stream(ctx)).includes(6), longMs);
    expect(await rig.stream(ctx)).toEqual([3, 4, 5, 6]);
    await rig.relay.stop();
  }, 90_000);
});

describe('followers on a Redis Cluster', () => {
  let cluster: RedisCluster;
  let rig: RealtimeRig;
  beforeAll(async () => {
    cluster = await RedisCluster.startTemporary();
    rig = await RealtimeRig.open(cluster.env);
  }, 120_000);
  afterAll(async () => {
    await rig?.close();
    await cluster?.stop();
  });

  it('are told every fact of their own tenants once and in order, though a primary is killed and replaced', async () => {
    const feed = rig.newFeed(intervals);
    const tenants = await Promise.all(upTo(12).map(() => rig.databases.newTenant({ shardId: 'shard-2' })));
    const followers = tenants.map(() => new Follower());
    await Promise.all(tenants.map((ctx, n) => feed.follow(ctx, (followers[n] as Follower).onFact)));
    const holders = await Promise.all(tenants.map((ctx) => cluster.primaryOf(keyOf(ctx))));
    expect(new Set(holders).size).toBeGreaterThan(1);
    const unsubscribe = await onNudge(rig.databases.redis, { fact: rig.relay.wake });
    rig.relay.start();
    const tellAll = (n: number) => Promise.all(tenants.map((ctx) => rig.tell(ctx, n)));
    for (const n of upTo(5)) await tellAll(n);
    await Promise.all(followers.map((follower) => told(follower, 5)));
    // On a busy machine the looking finds some of them first.
    expect(await rig.toldBy('live')).toBeGreaterThan(12);

    const killed = holders[0] as number;
    await cluster.kill(killed);
    for (const n of upTo(20, 6)) {
      await tellAll(n);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await Promise.all(followers.map((follower) => told(follower, 25)));
    await cluster.restart(killed);
    const [first] = tenants as [TenantContext];
    expect(await waitUntil(async () => (await rig.stream(first)).at(-1) === 25, longMs)).toBe(true);
    const heard = await rig.toldBy('live');
    for (const n of upTo(5, 26)) await tellAll(n);
    await Promise.all(followers.map((follower) => told(follower, 30)));
    expect(await rig.toldBy('live')).toBeGreaterThan(heard);
    for (const [n, follower] of followers.entries()) {
      expect(follower.numbers).toEqual(upTo(30));
      expect(new Set(follower.told.map(({ tenantId }) => tenantId))).toEqual(new Set([tenants[n]?.tenant.id]));
    }
    unsubscribe();
    await rig.relay.stop();
  }, 120_000);
});
