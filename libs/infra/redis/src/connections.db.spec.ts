import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '#infra/config';
import { monotonicMs } from '#infra/kernel';
import { createLog, Metrics } from '#infra/telemetry';
import { LocalCluster, type RedisServer, waitUntil } from '#infra/testing';
import { RedisConnections } from './connections.js';
import { redisConfig } from './redis.config.js';
import type { RedisRole } from './roles.js';

/** A Redis of this file's own, to stop, to freeze and to misconfigure; PostgreSQL comes with it. */
class OwnRedis {
  private readonly home = mkdtempSync(join(tmpdir(), 'praxis-redis-'));
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

const opened: RedisConnections[] = [];

function listen(environment: Record<string, string>) {
  const lines: string[] = [];
  const to = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level: 'debug', service: 'praxis' }, { app: 'test', to });
  const redis = new RedisConnections(parseConfig({ redis: redisConfig }, environment).redis, log, new Metrics());
  opened.push(redis);
  const changes = () => lines.map((line) => JSON.parse(line)['praxis.to'] as string);
  return { redis, lines, changes };
}

async function failureOf(promise: Promise<unknown>) {
  const startedAt = monotonicMs();
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, tookMs: monotonicMs() - startedAt };
}

const failFastRoles = ['cache', 'limits', 'sessions'] as const satisfies readonly RedisRole[];

describe('connections to Redis', () => {
  const own = new OwnRedis();
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => void unhandled.push(reason);

  beforeAll(async () => {
    process.on('unhandledRejection', onUnhandled);
    await own.start();
  });
  afterEach(() => Promise.all(opened.splice(0).map((redis) => redis.close())));
  afterAll(async () => {
    process.off('unhandledRejection', onUnhandled);
    await own.remove();
  });

  it('are one per role, shared by all who ask, and closed together', async () => {
    const { redis, changes } = listen({ REDIS_URL: own.server.url });
    expect(redis.get('cache')).toBe(redis.get('cache'));
    expect(redis.get('cache')).not.toBe(redis.get('limits'));
    expect(redis.open('realtime')).not.toBe(redis.get('realtime'));
    expect(await redis.ready('cache', 2_000)).toBe(true);
    expect(await redis.ping('cache')).toBeGreaterThan(0);
    await redis.get('cache').set('a', '1');
    expect(await redis.get('cache').get('a')).toBe('1');
    const names = String(await redis.get('cache').client('LIST')).match(/name=praxis:\w+/g);
    expect(names?.sort()).toEqual([
      'name=praxis:cache',
      'name=praxis:limits',
      'name=praxis:realtime',
      'name=praxis:realtime',
    ]);
    const connections = [redis.get('cache'), redis.get('limits'), redis.get('realtime')];
    await redis.close();
    await waitUntil(async () => connections.every(({ status }) => status === 'end'), 2_000);
    expect(connections.map(({ status }) => status)).toEqual(['end', 'end', 'end']);
    expect(() => redis.get('queues')).toThrow(expect.objectContaining({ code: 'redis.closed' }));
    expect(new Set(changes())).toEqual(new Set(['up']));
  });

  it('[A-067] take a password from the environment and repeat it in no log line and no error', async () => {
    const { url, port } = own.server;
    const password = 'r1ght-passw0rd';
    const admin = listen({ REDIS_URL: url });
    await admin.redis.ready('cache', 2_000);
    await admin.redis.get('cache').config('SET', 'requirepass', password);
    const right = listen({ REDIS_PORT: String(port), REDIS_PASSWORD: password });
    const wrong = listen({ REDIS_PORT: String(port), REDIS_PASSWORD: 'wr0ng-passw0rd' });
    expect(await right.redis.ready('cache', 2_000)).toBe(true);
    const { error } = await failureOf(wrong.redis.ping('cache', 1_000));
    expect(error).toMatchObject({ code: 'redis.unreachable' });
    expect(wrong.lines.join('')).toContain('"event.reason":"WRONGPASS"');
    const said = `${right.lines.join('')}${wrong.lines.join('')}${JSON.stringify(error)}${String(error)}`;
    expect(said).not.toContain(password);
    expect(said).not.toContain('wr0ng-passw0rd');
    await right.redis.get('cache').config('SET', 'requirepass', '');
  });

  it('[A-004] lead each role to the Redis of its own url; the queues refuse one that evicts', async () => {
    const { url } = own.server;
    const elsewhere = 'redis://127.0.0.1:1';
    for (const [variable, role] of [
      ['REDIS_SESSION_URL', 'sessions'],
      ['REDIS_CACHE_URL', 'cache'],
      ['REDIS_QUEUE_URL', 'queues'],
    ] as const) {
      const { redis } = listen({ REDIS_CLUSTER_NODES: '127.0.0.1:1', [variable]: url });
      expect(await redis.ready(role, 2_000)).toBe(true);
      expect(await redis.ready('limits', 100)).toBe(false);
      await redis.close();
    }
    const { redis } = listen({ REDIS_URL: elsewhere, REDIS_QUEUE_URL: url, REDIS_CACHE_URL: url });
    await redis.assertQueuePolicy();
    await redis.ready('cache', 2_000);
    await redis.get('cache').config('SET', 'maxmemory-policy', 'allkeys-lru');
    const { error } = await failureOf(redis.assertQueuePolicy());
    expect(error).toMatchObject({ code: 'redis.queue_evicts', message: expect.stringContaining('allkeys-lru') });
    await redis.get('cache').config('SET', 'maxmemory-policy', 'noeviction');
    await redis.assertQueuePolicy();
  });

  it('fail in their deadline while Redis hangs, and do not send the command again when it is back', async () => {
    const { redis } = listen({ REDIS_URL: own.server.url });
    for (const role of failFastRoles) await redis.ready(role, 2_000);
    await redis.get('limits').set('hung', '0');
    process.kill(own.server.pid, 'SIGSTOP');
    try {
      const failures = await Promise.all(failFastRoles.map((role) => failureOf(redis.get(role).get('hung'))));
      for (const { error, tookMs } of failures) {
        expect(error).toBeInstanceOf(Error);
        expect(tookMs).toBeLessThan(1_000);
      }
      expect((await failureOf(redis.get('limits').incr('hung'))).error).toBeInstanceOf(Error);
      expect((await failureOf(redis.ping('limits', 300))).error).toMatchObject({ code: 'redis.unreachable' });
      await waitUntil(async () => redis.get('limits').status !== 'ready', 5_000);
    } finally {
      process.kill(own.server.pid, 'SIGCONT');
    }
    expect(await redis.ready('limits', 10_000)).toBe(true);
    expect(Number(await redis.get('limits').get('hung'))).toBeLessThanOrEqual(1);
  });

  it('close within about a second though Redis hangs', async () => {
    const { redis } = listen({ REDIS_URL: own.server.url });
    await redis.ready('queues', 2_000);
    process.kill(own.server.pid, 'SIGSTOP');
    const startedAt = monotonicMs();
    await redis.close().finally(() => process.kill(own.server.pid, 'SIGCONT'));
    expect(monotonicMs() - startedAt).toBeLessThan(2_500);
  });

  it('fail at once while Redis is stopped, wait where queues must, say so once, and work after its restart', async () => {
    const { redis, changes } = listen({ REDIS_CACHE_URL: own.server.url, REDIS_QUEUE_URL: own.server.url });
    await redis.ready('cache', 2_000);
    await redis.ready('queues', 2_000);
    await own.server.stop();
    await waitUntil(async () => redis.get('cache').status !== 'ready', 2_000);
    for (let n = 0; n < 200; n += 1) {
      const { error, tookMs } = await failureOf(redis.get('cache').incr('stopped'));
      expect(error).toBeInstanceOf(Error);
      expect(tookMs).toBeLessThan(250);
    }
    const waiting = redis.get('queues').set('waiting', 'done');
    await own.start();
    expect(await redis.ready('cache', 10_000)).toBe(true);
    await waiting;
    expect(await redis.get('cache').get('waiting')).toBe('done');
    expect(await redis.get('cache').get('stopped')).toBeNull();
    expect(changes().sort()).toEqual(['down', 'down', 'up', 'up', 'up', 'up']);
  });

  it('leave no failure unhandled', async () => {
    const { redis } = listen({ REDIS_URL: 'redis://127.0.0.1:1' });
    expect((await failureOf(redis.get('cache').get('a'))).error).toBeInstanceOf(Error);
    expect(await redis.ready('realtime', 200)).toBe(false);
    await redis.close();
    expect(unhandled).toEqual([]);
  });
});
