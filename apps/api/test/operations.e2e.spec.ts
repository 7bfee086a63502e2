import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Cache } from '#infra/cache';
import { newId } from '#infra/kernel';
import { RedisConnections } from '#infra/redis';
import { Sharding } from '#infra/sharding';
import { coordinatesOf, RedisCluster } from '#infra/testing';
import { OperationsWorld, within } from './operations-world.js';

let world: OperationsWorld;
let nodes: RedisCluster;
beforeAll(async () => {
  [world, nodes] = await Promise.all([OperationsWorld.start(), RedisCluster.startTemporary()]);
}, 120_000);
afterAll(async () => {
  await world?.stop();
  await nodes?.stop();
}, 60_000);

/** Holds connections of shard 1’s primary until the returned function is called. */
function hold(count: number): () => Promise<void> {
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const held = Array.from({ length: count }, () => world.app.get(Sharding).write(world.ctx, () => released));
  return async () => {
    release();
    await Promise.all(held);
  };
}

const routes = [
  '/api/health',
  '/api/health/database',
  '/api/health/cache',
  '/api/admin/cache/stats',
  '/api/v1/admin/cache/stats',
];

describe('The health of the servers', () => {
  it.each(routes)('%s is for whoever looks after the house, and tells no address', async (path) => {
    expect((await world.call({ method: 'GET', path })).status).toBe(401);
    expect((await world.call({ method: 'GET', path, token: world.nurseToken })).status).toBe(403);
    const { status, text, headers } = await world.ask(path);
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    const { servers, replica, redis } = coordinatesOf(world.cluster);
    for (const { port } of [...servers, replica, redis]) expect(text).not.toMatch(new RegExp(`\\b${port}\\b`));
    expect(text).not.toMatch(/127\.0\.0\.1|localhost|praxis_app/);
  });

  it('[A-050] is watched from the first moment: metrics of pools and latency are there without anybody asking', async () => {
    const fresh = await world.startApi();
    const measured = await within(10, async () => {
      const text = (await world.metrics(fresh)).join('\n');
      return ['directory', 'shard-1', 'shard-2'].every(
        (shard) =>
          new RegExp(`^db_probe_seconds\\{shard="${shard}"\\} [\\d.e-]+$`, 'm').test(text) &&
          text.includes(`db_pool_connections{shard="${shard}",role="primary",state="idle"}`),
      );
    });
    expect(measured).toBe(true);
  });

  it('[E-060] [E-084] names every primary and replica with its connections, latency and lag', async () => {
    // A replica gets reads after two looks at it, a second apart.
    expect(await within(10, async () => (await world.ask('/api/health/database')).json.status === 'up')).toBe(true);
    const { json } = await world.ask('/api/health/database');
    expect(json.servers.map(({ name, role }: { name: string; role: string }) => `${name} ${role}`)).toEqual([
      'directory primary',
      'shard-1 primary',
      'shard-1 replica-1',
      'shard-2 primary',
    ]);
    for (const server of json.servers)
      expect(server).toMatchObject({
        status: 'up',
        latencyMs: expect.any(Number),
        totalConnections: expect.any(Number),
        idleConnections: expect.any(Number),
        waitingRequests: expect.any(Number),
      });
    const lags = json.servers.map(({ lagMs }: { lagMs: number | null }) => lagMs);
    expect([lags[0], lags[1], lags[3]]).toEqual([null, null, null]);
    expect(lags[2]).toBeGreaterThanOrEqual(0);
  });

  it('[D-057] [B-051] counts what databases do: three of ten connections held are three active, and 0.3 in the metrics', async () => {
    const before = await world.databaseOf('shard-1', 'primary');
    expect(before.maxConnections).toBe(10);
    const release = hold(3);
    const seen = await within(5, async () => (await world.databaseOf('shard-1', 'primary')).activeConnections === 3);
    const labels = 'shard="shard-1",role="primary"';
    const used = await world.gauge(`db_pool_connections{${labels},state="active"}`);
    expect([seen, used / (await world.gauge(`db_pool_connections_max{${labels}}`))]).toEqual([true, 0.3]);
    await release();
    expect(await within(5, async () => (await world.databaseOf('shard-1', 'primary')).activeConnections === 0)).toBe(
      true,
    );
    const after = await world.databaseOf('shard-1', 'primary');
    expect(after.totalConnections).toBeGreaterThanOrEqual(3);
    expect(after.queryCount).toBeGreaterThan(before.queryCount);
    expect(after.averageQueryTime).toBeGreaterThan(0);
  });

  it('[D-058] [E-085] names Redis in each role, and counts and times what it is asked', async () => {
    const { json } = await world.ask('/api/health/cache');
    expect(json.status).toBe('up');
    expect(json.servers.map(({ role }: { role: string }) => role)).toEqual([
      'cache',
      'queues',
      'realtime',
      'limits',
      'sessions',
    ]);
    for (const server of json.servers)
      expect(server).toMatchObject({ status: 'up', latencyMs: expect.any(Number), clusterState: null, slotsOk: null });
    const before = await world.redisOf('cache');
    const connection = world.app.get(RedisConnections).get('cache');
    for (let n = 0; n < 100; n += 1) await connection.set(`scripted:${n}`, 'x', 'PX', 1_000);
    expect(await within(5, async () => (await world.redisOf('cache')).commandCount >= before.commandCount + 100)).toBe(
      true,
    );
    expect((await world.redisOf('cache')).averageResponseTime).toBeGreaterThan(0);
  });

  it('[A-080] says of a cluster whether it serves, and how many of its slots', async () => {
    const { REDIS_URL: single = '', ...rest } = world.env;
    const clustered = await world.startApi({ ...rest, ...nodes.env, REDIS_URL: '', REDIS_QUEUE_URL: single });
    const roles = ['cache', 'realtime', 'limits', 'sessions'];
    const found = async () => Promise.all(roles.map((role) => world.redisOf(role, clustered)));
    const areWhole = async () => (await found()).every((one) => one.slotsOk === 16_384);
    expect(await within(10, areWhole)).toBe(true);
    for (const one of await found()) expect(one).toMatchObject({ status: 'up', clusterState: 'ok', knownNodes: 6 });
    expect(await world.redisOf('queues', clustered)).toMatchObject({ status: 'up', clusterState: null });
  });
});

describe('The process itself', () => {
  it('[B-076] reports its memory as it is', async () => {
    const { heapUsedBytes, rssBytes } = (await world.ask('/api/health')).json.process;
    const { heapUsed, rss } = process.memoryUsage();
    expect(Math.abs(heapUsedBytes / heapUsed - 1)).toBeLessThan(0.05);
    expect(Math.abs(rssBytes / rss - 1)).toBeLessThan(0.05);
  });

  it('[B-077] reports processors in use: above 80 % while it computes without a pause, or all that the machine gives it', async () => {
    const cpuMs = () => Object.values(process.cpuUsage()).reduce((sum, micros) => sum + micros, 0) / 1_000;
    const reported = async () => (await world.ask('/api/health')).json.process.cpu;
    const burning = Array.from({ length: 4 }, () => new Worker('for (;;);', { eval: true }));
    const rose = await within(5, async () => (await reported()) > 0.8);
    // A machine with other work gives less: then what is reported must be what was given, over the same five seconds.
    const [before, since] = [cpuMs(), performance.now()];
    await sleep(rose ? 0 : 5_000);
    const given = rose ? 0 : (cpuMs() - before) / (performance.now() - since);
    const shown = await reported();
    await Promise.all(burning.map((worker) => worker.terminate()));
    expect(shown).toBeGreaterThan(Math.min(0.8, given * 0.8));
  });
});

describe('The statistics of the cache', () => {
  const read = (key: string) => world.app.get(Cache).getOrSet(world.ctx, 'general', key, async () => 'x'.repeat(100));
  const stats = async (query = '') => (await world.ask(`/api/admin/cache/stats${query}`)).json;

  it('[A-081] [C-138] count hits, misses, their ratio and bytes, by strategy and tier', async () => {
    const before = await stats();
    await read('a');
    await read('a');
    await read('a');
    const after = await stats();
    const moved = (of: (one: typeof after) => number): number => of(after) - of(before);
    expect(moved(({ strategies }) => strategies.general.hits)).toBe(2);
    expect(moved(({ strategies }) => strategies.general.misses)).toBe(1);
    expect(moved(({ strategies }) => strategies.general.memory.hits)).toBe(2);
    expect(moved(({ strategies }) => strategies.general.memory.misses)).toBe(1);
    expect(moved(({ strategies }) => strategies.general.redis.misses)).toBe(1);
    expect(moved(({ strategies }) => strategies.general.memory.bytes)).toBeGreaterThan(100);
    expect(moved(({ strategies }) => strategies.general.redis.bytesWritten)).toBeGreaterThan(100);
    const { hits, misses, hitRate, memory, redis } = after.strategies.general;
    expect(hitRate).toBeCloseTo(hits / (hits + misses), 3);
    expect(memory.hitRate).toBeCloseTo(memory.hits / (memory.hits + memory.misses), 3);
    expect(redis.hitRate).toBeCloseTo(redis.hits / (redis.hits + redis.misses), 3);
    for (const strategy of ['memberData', 'cardData', 'qrCodes', 'pdfCards', 'general'])
      expect(after.strategies[strategy].ttlS).toBeGreaterThan(0);
    expect((await world.call({ method: 'GET', path: '/api/admin/cache/stats', token: world.nurseToken })).status).toBe(
      403,
    );
    expect(Object.keys((await world.ask('/api/v1/admin/cache/stats')).json)).toEqual(Object.keys(after));
  });

  it('[A-030] show how long entries live by the settings, and so they do', async () => {
    const longer = await world.startApi({ CACHE_TTL_RECONCILIATION: '7200' });
    const of = async (app = world.app) =>
      (await world.ask('/api/admin/cache/stats', app)).json.strategies.reconciliation;
    expect([(await of()).ttlS, (await of(longer)).ttlS]).toEqual([3_600, 7_200]);
    expect(await within(10, async () => (await world.ask('/api/admin/cache/stats', longer)).json.redis === 'up')).toBe(
      true,
    );
    const key = `run:${newId()}`;
    await longer.get(Cache).getOrSet(world.ctx, 'reconciliation', key, async () => 1);
    const left = await longer
      .get(RedisConnections)
      .get('cache')
      .pttl(`c1:{t:${world.ctx.tenant.id}}:reconciliation:${key}`);
    expect(Math.abs(left - 7_200_000)).toBeLessThanOrEqual(722_000);
  });

  it('[E-012] count for one’s own company apart, and another one’s is not found', async () => {
    const own = `?companyId=${world.ctx.tenant.id}`;
    const before = (await stats(own)).company;
    await read('b');
    await read('b');
    const other = await world.db.newTenant({ shardId: 'shard-1' });
    await world.app.get(Cache).getOrSet(other, 'general', 'b', async () => 'y');
    const { hits, misses } = (await stats(own)).company;
    expect([hits - before.hits, misses - before.misses]).toEqual([1, 1]);
    const foreign = await world.ask(`/api/admin/cache/stats?companyId=${other.tenant.id}`);
    const unknown = await world.ask(`/api/admin/cache/stats?companyId=${newId()}`);
    expect([foreign.status, foreign.json.code]).toEqual([404, 'company.unknown']);
    expect({ ...unknown.json, requestId: '' }).toEqual({ ...foreign.json, requestId: '' });
  });
});
