import { newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, RedisCluster, type TestDatabases, waitUntil } from '#infra/testing';
import { CacheRig } from '../test/cache-rig.js';

let cluster: RedisCluster;
let db: TestDatabases;
let ctx: TenantContext;
let here: CacheRig;
let there: CacheRig;

beforeAll(async () => {
  [cluster, db] = await Promise.all([RedisCluster.startTemporary(), openTestDatabases()]);
  const env = { ...cluster.env, REDIS_URL: '' };
  [here, there] = await Promise.all([CacheRig.start(db, { env }), CacheRig.start(db, { env })]);
}, 60_000);
beforeEach(async () => {
  ctx = await db.newTenant();
});
afterAll(async () => {
  await Promise.all([here?.stop(), there?.stop()]);
  await Promise.all([db?.close(), cluster?.stop()]);
});

const name = () => `n:${newId()}`;
const read = (rig: CacheRig, key: string, value: string, of = ctx) =>
  rig.cache.getOrSet(of, 'general', key, async () => value);

describe('on a cluster of Redis', () => {
  it('an entry reaches other processes, and so does that it was forgotten, for tenants of every node', async () => {
    for (let n = 0; n < 12; n += 1) {
      const tenant = await db.newTenant();
      let key = '';
      /** A command that takes longer than 50 ms is a miss: then with another key. */
      const shared = async () => {
        key = name();
        return (await read(here, key, 'old', tenant)) === (await read(there, key, 'lost', tenant));
      };
      expect(await waitUntil(shared, 10_000)).toBe(true);
      await here.cache.forget(tenant, 'general', key);
      expect(await read(here, key, 'new', tenant)).toBe('new');
      expect(await waitUntil(async () => (await read(there, key, 'new', tenant)) === 'new', 5_000)).toBe(true);
    }
    expect(here.cache.stats(ctx).strategies.general.redis.refused).toBe(0);
  });

  it('[D-036, B-084, C-083, A-071] a killed primary costs misses and nothing else, is seen within 10 s, and 15 s later all is well', async () => {
    const primary = await cluster.primaryOf(`{t:${ctx.tenant.id}}`);
    const port = cluster.nodes[primary]?.port;
    const isUp = async () => {
      const { body } = await here.metrics.expose();
      return new RegExp(`^redis_node_up\\{role="cache",node="[^"]+:${port}"\\} (\\d)$`, 'm').exec(body)?.[1];
    };
    expect(await waitUntil(async () => (await isUp()) === '1', 10_000)).toBe(true);
    expect((await here.metrics.expose()).body).toMatch(/redis_command_duration_seconds_count\{role="cache"\} [1-9]/);
    await cluster.kill(primary);
    const readings = async () => {
      const key = name();
      const seen = [await read(here, key, 'a'), await read(there, key, 'a')];
      expect(seen).toEqual(['a', 'a']);
      return here.redis
        .get('cache')
        .exists(`c1:{t:${ctx.tenant.id}}:general:${key}`)
        .catch(() => 0);
    };
    let recovered = false;
    let sawDown = false;
    const watching = waitUntil(async () => (await isUp()) === '0', 10_000).then((seen) => {
      sawDown = seen;
    });
    recovered = await waitUntil(async () => (await readings()) === 1, 15_000);
    await watching;
    expect([recovered, sawDown]).toEqual([true, true]);
    expect(await Promise.all([here.hears(), there.hears()])).toEqual([true, true]);
    await cluster.restart(primary);
    expect(await waitUntil(async () => (await isUp()) === '1', 15_000)).toBe(true);
  }, 60_000);
});
