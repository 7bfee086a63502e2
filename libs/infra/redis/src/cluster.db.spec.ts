import { setTimeout as pause } from 'node:timers/promises';
import { Cluster } from 'ioredis';
import { parseConfig } from '#infra/config';
import { monotonicMs } from '#infra/kernel';
import { createLog, Metrics } from '#infra/telemetry';
import { RedisCluster, waitUntil } from '#infra/testing';
import { RedisConnections } from './connections.js';
import { redisConfig } from './redis.config.js';
import { redisRoles } from './roles.js';

let cluster: RedisCluster;
const opened: RedisConnections[] = [];
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);

function listen(environment: Readonly<Record<string, string>> = {}) {
  const lines: string[] = [];
  const to = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level: 'debug', service: 'praxis' }, { app: 'test', to });
  const config = parseConfig({ redis: redisConfig }, { ...cluster.env, ...environment });
  const redis = new RedisConnections(config.redis, log, new Metrics());
  opened.push(redis);
  return { redis, lines };
}

async function timed<T>(promise: Promise<T>) {
  const startedAt = monotonicMs();
  const [outcome] = await Promise.allSettled([promise]);
  return { ...outcome, tookMs: monotonicMs() - startedAt };
}

/** One key for each node that starts as a primary. */
async function keysOfAll(): Promise<readonly string[]> {
  const keys = new Map<number, string>();
  for (let n = 0; keys.size < 3; n += 1) {
    const primary = await cluster.primaryOf(`key-${n}`);
    if (!keys.has(primary)) keys.set(primary, `key-${n}`);
  }
  return [...keys].sort(([a], [b]) => a - b).map(([, key]) => key);
}

/** What does not change unless somebody changes it: ids, addresses, roles and slots. */
async function layout(): Promise<readonly string[]> {
  const lines = (await cluster.ask(0, 'CLUSTER', 'NODES')).split('\n').map((line) => line.split(' '));
  return lines.map(([id, address, flags, primary, , , epoch, , ...slots]) =>
    [id, address, flags, primary, epoch, ...slots].join(' '),
  );
}

beforeAll(async () => {
  process.on('unhandledRejection', onUnhandled);
  cluster = await RedisCluster.startTemporary();
}, 60_000);
afterEach(() => Promise.all(opened.splice(0).map((redis) => redis.close())));
afterAll(async () => {
  process.off('unhandledRejection', onUnhandled);
  await cluster.stop();
});

describe('deploy/redis-cluster-init.sh', () => {
  it('[A-052] joins six nodes so that all 16,384 slots are covered with a replica each; again, it changes nothing', async () => {
    for (const n of cluster.nodes.keys()) {
      const info = await cluster.ask(n, 'CLUSTER', 'INFO');
      expect(info).toContain('cluster_state:ok');
      expect(info).toContain('cluster_slots_ok:16384');
    }
    const before = await layout();
    const primaries = before.filter((line) => line.includes('master')).map((line) => line.split(' ')[0]);
    const replicaOf = before.filter((line) => line.includes('slave')).map((line) => line.split(' ')[3]);
    expect(primaries).toHaveLength(3);
    expect(replicaOf.toSorted()).toEqual(primaries.toSorted());
    expect(await cluster.join()).toBe('redis-cluster-init: 6 nodes serve all 16384 slots\n');
    expect(await layout()).toEqual(before);
  });
});

describe('connections to a Redis Cluster', () => {
  it('reach every slot in every role, the first commands after `ready` included', async () => {
    const { redis } = listen();
    for (const role of redisRoles) {
      expect(await redis.ready(role, 5_000)).toBe(true);
      const keys = Array.from({ length: 60 }, (_, n) => `${role}:${n}`);
      await Promise.all(keys.map((key) => redis.get(role).set(key, key)));
      expect(await Promise.all(keys.map((key) => redis.get(role).get(key)))).toEqual(keys);
      expect(await redis.ping(role)).toBeGreaterThan(0);
      expect(await redis.clusterState(role)).toEqual({ state: 'ok', slotsOk: 16_384, knownNodes: 6 });
    }
  });

  it('let a role with a url of its own stay out of the cluster', async () => {
    const { redis } = listen({ REDIS_CACHE_URL: 'redis://127.0.0.1:1' });
    expect(redis.get('cache')).not.toBeInstanceOf(Cluster);
    expect(redis.get('limits')).toBeInstanceOf(Cluster);
  });

  it('refuse queues in a cluster of which one primary evicts', async () => {
    const { redis } = listen();
    await redis.assertQueuePolicy();
    await cluster.ask(1, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await expect(redis.assertQueuePolicy()).rejects.toMatchObject({ code: 'redis.queue_evicts' });
    await cluster.ask(1, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await redis.assertQueuePolicy();
  });

  it('say why they are refused, and not with which password', async () => {
    const { redis, lines } = listen({ REDIS_PASSWORD: 'wr0ng-passw0rd' });
    expect(await redis.ready('cache', 1_000)).toBe(false);
    expect(lines.join('')).toMatch(/"event.reason":"(WRONGPASS|NOAUTH)"/);
    expect(lines.join('')).not.toContain('wr0ng-passw0rd');
  });

  it('carry messages to a channel through the node that holds it, to the connection that subscribed there', async () => {
    const { redis } = listen();
    await redis.ready('realtime', 5_000);
    const ears = redis.open('realtime');
    const heard: string[] = [];
    ears.on('smessage', (channel: string, text: string) => heard.push(`${channel} ${text}`));
    const channels = await keysOfAll();
    for (const channel of channels) await ears.ssubscribe(channel);
    const sent = channels.flatMap((channel) => Array.from({ length: 20 }, (_, n) => `${channel} ${n}`));
    await Promise.all(sent.map((each) => redis.get('realtime').spublish(...(each.split(' ') as [string, string]))));
    await waitUntil(() => heard.length >= sent.length, 5_000);
    expect(heard.toSorted()).toEqual(sent.toSorted());
  });

  it('close within about a second though a primary hangs', async () => {
    const { redis } = listen();
    for (const role of redisRoles) await redis.ready(role, 5_000);
    const { pid } = cluster.nodes[0]!;
    process.kill(pid, 'SIGSTOP');
    const { tookMs } = await timed(redis.close()).finally(() => process.kill(pid, 'SIGCONT'));
    expect(tookMs).toBeLessThan(2_500);
  });
});

describe('when a primary of the cluster is killed', () => {
  it('its keys fail at once or wait, by role; the others are served; and all are back within 15 s', async () => {
    const { redis } = listen();
    for (const role of redisRoles) await redis.ready(role, 5_000);
    const [lost = '', kept = ''] = await keysOfAll();
    const ears = redis.open('realtime');
    const heard: string[] = [];
    ears.on('smessage', (_: string, text: string) => heard.push(text));
    await ears.ssubscribe(lost);
    await redis.get('limits').set(lost, '0');
    await pause(50);

    await cluster.kill(await cluster.primaryOf(lost));
    const killedAt = monotonicMs();
    const queued = ['1', '2', '3'].map((each) => redis.get('queues').rpush(`{${lost}}:list`, each));
    let granted = 0;
    const outages = [];
    let backMs = 0;
    while (backMs === 0 && monotonicMs() - killedAt < 15_000) {
      const [gone, there] = await Promise.all([
        timed(redis.get('limits').incr(lost)),
        timed(redis.get('cache').set(kept, 'served')),
      ]);
      expect(there.tookMs).toBeLessThan(500);
      if (gone.status === 'fulfilled') granted += 1;
      else outages.push(gone.tookMs);
      if (granted === 10) backMs = monotonicMs() - killedAt;
      await pause(20);
    }
    expect(backMs).toBeGreaterThan(0);
    expect(Math.max(...outages)).toBeLessThan(1_000);
    expect(Number(await redis.get('limits').get(lost))).toBe(granted);
    await Promise.all(queued);
    expect((await redis.get('queues').lrange(`{${lost}}:list`, 0, -1)).toSorted()).toEqual(['1', '2', '3']);
    const hears = async () => {
      await redis.get('realtime').spublish(lost, 'still here');
      return heard.includes('still here');
    };
    expect(await waitUntil(hears, 15_000)).toBe(true);
    expect(await redis.clusterState('cache')).toMatchObject({ state: 'ok', slotsOk: 16_384 });
  }, 60_000);

  it('it comes back as a replica, and no failure was left unhandled', async () => {
    await cluster.restart(0);
    expect(await cluster.join()).toContain('serve all 16384 slots');
    const before = await layout();
    expect(before.filter((line) => line.includes('slave'))).toHaveLength(3);
    expect(unhandled).toEqual([]);
  });
});
