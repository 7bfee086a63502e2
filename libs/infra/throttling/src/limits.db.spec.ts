import { setTimeout as pause } from 'node:timers/promises';
import { parseConfig } from '#infra/config';
import { monotonicMs, newId } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { LocalCluster, type RedisServer, waitUntil } from '#infra/testing';
import type { LimitSubject } from './charges.js';
import { Limits } from './limits.js';
import { RedisWindows } from './redis-windows.js';
import { SlidingWindow } from './sliding-window.js';
import { RedisThrottlerStorage } from './throttler-storage.js';
import { throttlingConfig } from './throttling.config.js';

let cluster: LocalCluster;
const opened: RedisConnections[] = [];

function server(): RedisServer {
  if (!cluster.redis) throw new Error('the cluster has no Redis');
  return cluster.redis;
}

async function start(environment: Record<string, string> = {}) {
  const lines: string[] = [];
  const log = createLog(
    { level: 'info', service: 'praxis' },
    { app: 'test', to: { write: (line) => void lines.push(line) } },
  );
  const settings = { REDIS_URL: server().url, ...environment };
  const config = parseConfig({ redis: redisConfig, throttling: throttlingConfig }, settings);
  const metrics = new Metrics();
  const redis = new RedisConnections(config.redis, log, metrics);
  opened.push(redis);
  await redis.ready('limits', 2_000);
  return { redis, log, lines, limits: new Limits({ config: config.throttling, redis, log, metrics }) };
}

const someone = (): LimitSubject => ({ ip: '203.0.113.9', userId: newId(), tenantId: newId(), plan: 'FREE' });
const stranger = (n: number): LimitSubject => ({ ip: `198.51.100.${n}` });
const windowFor = (limit: number, windowMs: number) => ({
  name: 'test',
  key: `limits:{${newId()}}:test`,
  limit,
  windowMs,
});

beforeAll(async () => {
  cluster = await LocalCluster.startTemporary({ servers: 1, replica: false, durable: false, redis: true });
});
afterEach(() => Promise.all(opened.splice(0).map((redis) => redis.close())));
afterAll(() => cluster.stop());

describe('windows in Redis', () => {
  it('grant exactly the limit to 200 parallel calls over two connections', async () => {
    const [a, b] = await Promise.all([start(), start()]);
    const sides = [new RedisWindows(a.redis), new RedisWindows(b.redis)];
    const window = windowFor(50, 60_000);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => sides[n % 2]!.consume([window], 1)));
    expect(answers.filter(({ taken }) => taken)).toHaveLength(50);
  });

  it('say what the exact model says, at every step of bursts and pauses', async () => {
    const { redis } = await start();
    const shared = new RedisWindows(redis);
    const window = windowFor(12, 150);
    const model = new SlidingWindow();
    let refusals = 0;
    for (let step = 0; step < 300; step += 1) {
      const cost = 1 + (step % 3);
      const { at, taken, states } = await shared.consume([window], cost);
      const expected = model.look(window, at, cost);
      expect(taken).toBe(expected.waitMs === 0);
      expect(states[0]!.waitMs).toBe(expected.waitMs);
      if (taken) model.take(window, at, cost);
      else refusals += 1;
      const after = model.look(window, at, 1);
      expect(states[0]).toMatchObject({ remaining: after.remaining, resetMs: after.resetMs });
      if (step % 10 === 9) await pause(step % 4 === 3 ? 90 : 15);
    }
    expect(refusals).toBeGreaterThan(20);
  }, 30_000);

  it('[C-022] let no more than the limit through in any stretch of a window, with bursts across its edges', async () => {
    const [a, b] = await Promise.all([start(), start()]);
    const sides = [new RedisWindows(a.redis), new RedisWindows(b.redis)];
    const window = windowFor(20, 200);
    const takenAt: number[] = [];
    for (let burst = 0; burst < 30; burst += 1) {
      const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => sides[n % 2]!.consume([window], 1)));
      takenAt.push(...answers.filter(({ taken }) => taken).map(({ at }) => at));
      await pause(burst % 5 === 4 ? 170 : 25);
    }
    const inWindowFrom = (from: number) => takenAt.filter((at) => at >= from && at < from + window.windowMs).length;
    expect(Math.max(...takenAt.map(inWindowFrom))).toBe(window.limit);
    expect(takenAt.length).toBeGreaterThan(3 * window.limit);
  });

  it('take from all windows of a group or from none', async () => {
    const { redis } = await start();
    const shared = new RedisWindows(redis);
    const tag = newId();
    const wide = { name: 'wide', key: `limits:{${tag}}:wide`, limit: 100, windowMs: 60_000 };
    const narrow = { name: 'narrow', key: `limits:{${tag}}:narrow`, limit: 2, windowMs: 60_000 };
    const taken = [];
    for (let n = 0; n < 5; n += 1) taken.push((await shared.consume([wide, narrow], 1)).taken);
    expect(taken).toEqual([true, true, false, false, false]);
    expect((await shared.consume([wide], 1)).states[0]!.remaining).toBe(97);
  });

  it('leave nothing behind when they are over', async () => {
    const { redis } = await start();
    const window = windowFor(2, 100);
    await new RedisWindows(redis).consume([window], 1);
    expect(await redis.get('limits').exists(window.key)).toBe(1);
    await waitUntil(async () => (await redis.get('limits').exists(window.key)) === 0, 3_000);
    expect(await redis.get('limits').exists(window.key)).toBe(0);
  });

  it('go on after Redis has forgotten the script', async () => {
    const { redis } = await start();
    const shared = new RedisWindows(redis);
    const window = windowFor(2, 60_000);
    await shared.consume([window], 1);
    await redis.get('limits').script('FLUSH');
    expect((await shared.consume([window], 1)).states[0]!.remaining).toBe(0);
  });
});

describe('limits', () => {
  it('refuse the 501st call of a FREE tenant by its plan, over all of its users, and no other tenant', async () => {
    const { limits, redis } = await start({ RATE_LIMIT_GENERAL: '100000' });
    const subject = someone();
    await new RedisWindows(redis).consume(
      [{ name: 'tenant-plan', key: `limits:{t:${subject.tenantId}}:tenant-plan`, limit: 500, windowMs: 900_000 }],
      499,
    );
    const [last, refused] = [
      await limits.consume(['read'], subject),
      await limits.consume(['read'], { ...subject, userId: newId() }),
    ];
    expect(last.allowed).toBe(true);
    expect(refused.allowed).toBe(false);
    expect(refused.retryAfterMs).toBeGreaterThan(800_000);
    expect(refused.policies.filter(({ exceeded }) => exceeded).map(({ name }) => name)).toEqual(['tenant-plan']);
    expect(refused.policies.map(({ name }) => name)).toEqual(['general', 'authenticated', 'tenant-plan']);
    expect((await limits.consume(['read'], someone())).allowed).toBe(true);
  });

  it('refuse the eleventh login of one address within a second, and let others in', async () => {
    const { limits } = await start();
    const results = await Promise.all(Array.from({ length: 11 }, () => limits.consume(['auth'], stranger(1))));
    expect(results.filter(({ allowed }) => !allowed)).toHaveLength(1);
    expect(results.find(({ allowed }) => !allowed)!.retryAfterMs).toBeLessThanOrEqual(1_050);
    expect((await limits.consume(['auth'], stranger(2))).allowed).toBe(true);
  });

  it('[C-071] let everybody through, with a warning at boot, when they are switched off', async () => {
    const { limits, lines } = await start({ ENABLE_RATE_LIMITING: 'false', RATE_LIMIT_ANONYMOUS: '1' });
    expect(lines.join('')).toContain('limits.disabled');
    for (let n = 0; n < 50; n += 1)
      expect(await limits.consume(['strict'], stranger(3))).toEqual({ allowed: true, retryAfterMs: 0, policies: [] });
  });

  it('hold for routes of the throttler package too', async () => {
    const { redis, log } = await start();
    const storage = new RedisThrottlerStorage({ redis, log, nodes: 1 });
    const key = newId();
    const records = [];
    for (let n = 0; n < 4; n += 1) records.push(await storage.increment(key, 60_000, 3, 60_000, 'default'));
    expect(records.map(({ totalHits, isBlocked }) => [totalHits, isBlocked])).toEqual([
      [1, false],
      [2, false],
      [3, false],
      [4, true],
    ]);
    expect(records[3]!.timeToBlockExpire).toBeGreaterThan(55);
    expect(records[3]!.timeToBlockExpire).toBeLessThanOrEqual(63);
  });

  it('are counted here, by this process’s share, while Redis hangs, and in Redis again when it is back', async () => {
    const { limits, redis, lines } = await start({ EXPECTED_NODES: '4', RATE_LIMIT_ANONYMOUS: '40' });
    process.kill(server().pid, 'SIGSTOP');
    try {
      const startedAt = monotonicMs();
      const results = [];
      for (let n = 0; n < 30; n += 1) results.push(await limits.consume(['public'], stranger(4)));
      expect(monotonicMs() - startedAt).toBeLessThan(2_000);
      expect(results.filter(({ allowed }) => allowed)).toHaveLength(10);
      expect(lines.join('')).toContain('"praxis.to":"local"');
    } finally {
      process.kill(server().pid, 'SIGCONT');
    }
    expect(await redis.ready('limits', 10_000)).toBe(true);
    const isShared = async () => {
      await limits.consume(['public'], stranger(5));
      return (await redis.get('limits').exists('limits:{ip:198.51.100.5}:anonymous')) === 1;
    };
    expect(await waitUntil(isShared, 5_000)).toBe(true);
    expect(lines.join('')).toContain('"praxis.to":"redis"');
  });

  it('[E-026] apply from this process within 50 ms once Redis is stopped', async () => {
    const { limits } = await start({ RATE_LIMIT_ANONYMOUS: '20' });
    await limits.consume(['public'], stranger(6));
    await server().stop();
    const tookMs: number[] = [];
    const results = [];
    for (let n = 0; n < 100; n += 1) {
      const startedAt = monotonicMs();
      results.push(await limits.consume(['public'], stranger(6)));
      tookMs.push(monotonicMs() - startedAt);
    }
    expect(Math.max(...tookMs)).toBeLessThan(50);
    expect(results.filter(({ allowed }) => allowed)).toHaveLength(20);
    expect(results[99]!.policies.find(({ exceeded }) => exceeded)).toMatchObject({ name: 'anonymous', remaining: 0 });
  });
});
