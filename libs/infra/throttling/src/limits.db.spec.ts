import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs, newId } from '#infra/kernel';
import { waitUntil } from '#infra/testing';
import { chargeOf, LimitsWorld, only, slidingOf, someone, stranger, windowFor } from '../test/limits-world.js';
import { newCounter } from './counters.js';
import { leaseOf } from './leases.js';
import { RedisWindows } from './redis-windows.js';
import { algorithms } from './rule.js';
import { RedisThrottlerStorage } from './throttler-storage.js';

let world: LimitsWorld;
const start = (environment: Record<string, string> = {}) => world.process(environment);

beforeAll(async () => {
  world = await LimitsWorld.start();
});
afterEach(() => world.closeProcesses());
afterAll(() => world.stop());

describe('windows in Redis', () => {
  it('grant exactly the limit to 200 parallel calls over two connections', async () => {
    const [a, b] = await Promise.all([start(), start()]);
    const sides = [new RedisWindows(a.redis), new RedisWindows(b.redis)];
    const window = windowFor(50, 60_000);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => sides[n % 2]!.consume(only(window))));
    expect(answers.filter(({ taken }) => taken)).toHaveLength(50);
  });

  it.each(algorithms)(
    'say what the exact model of %s says, at every step of bursts and pauses',
    async (algorithm) => {
      const { redis } = await start();
      const shared = new RedisWindows(redis);
      const rule = { algorithm, limit: 12, windowMs: 150 };
      const key = `limits:{${newId()}}:test`;
      const model = newCounter(algorithm);
      let refusals = 0;
      for (let step = 0; step < 200; step += 1) {
        const cost = 1 + (step % 3);
        const owed = step % 17 === 0 ? 2 : 0;
        const { at, taken, states } = await shared.consume(only(chargeOf(key, rule, cost)), [owed]);
        if (owed > 0) model.take(rule, at, owed);
        const expected = model.look(rule, at, cost);
        expect(taken).toBe(expected.waitMs === 0);
        expect(states[0]!.waitMs).toBe(expected.waitMs);
        if (taken) model.take(rule, at, cost);
        else refusals += 1;
        const after = model.look(rule, at, 1);
        expect(states[0]).toMatchObject({ remaining: after.remaining, resetMs: after.resetMs });
        if (step % 10 === 9) await pause(step % 4 === 3 ? 90 : 15);
      }
      expect(refusals).toBeGreaterThan(20);
    },
    30_000,
  );

  it('[C-022] let no more than the limit through in any stretch of a window, with bursts across its edges', async () => {
    const [a, b] = await Promise.all([start(), start()]);
    const sides = [new RedisWindows(a.redis), new RedisWindows(b.redis)];
    const window = windowFor(20, 200);
    const takenAt: number[] = [];
    for (let burst = 0; burst < 30; burst += 1) {
      const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => sides[n % 2]!.consume(only(window))));
      takenAt.push(...answers.filter(({ taken }) => taken).map(({ at }) => at));
      await pause(burst % 5 === 4 ? 170 : 25);
    }
    const inWindowFrom = (from: number) =>
      takenAt.filter((at) => at >= from && at < from + window.rule.windowMs).length;
    expect(Math.max(...takenAt.map(inWindowFrom))).toBe(window.rule.limit);
    expect(takenAt.length).toBeGreaterThan(3 * window.rule.limit);
  });

  it('take from all windows of a group or from none', async () => {
    const { redis } = await start();
    const shared = new RedisWindows(redis);
    const tag = newId();
    const wide = chargeOf(`limits:{${tag}}:wide`, slidingOf(100, 60_000));
    const narrow = chargeOf(`limits:{${tag}}:narrow`, slidingOf(2, 60_000));
    const taken = [];
    for (let n = 0; n < 5; n += 1) taken.push((await shared.consume({ charges: [wide, narrow] })).taken);
    expect(taken).toEqual([true, true, false, false, false]);
    expect((await shared.consume(only(wide))).states[0]!.remaining).toBe(97);
  });

  it('leave nothing behind when they are over', async () => {
    const { redis } = await start();
    const window = windowFor(2, 100);
    await new RedisWindows(redis).consume(only(window));
    expect(await redis.get('limits').exists(window.key)).toBe(1);
    await waitUntil(async () => (await redis.get('limits').exists(window.key)) === 0, 3_000);
    expect(await redis.get('limits').exists(window.key)).toBe(0);
  });

  it('go on after Redis has forgotten the script', async () => {
    const { redis } = await start();
    const shared = new RedisWindows(redis);
    const window = windowFor(2, 60_000);
    await shared.consume(only(window));
    await redis.get('limits').script('FLUSH');
    expect((await shared.consume(only(window))).states[0]!.remaining).toBe(0);
  });
});

describe('limits', () => {
  it('refuse the 501st call of a FREE tenant by its plan, over all of its users, and no other tenant', async () => {
    const { limits, redis } = await start({ RATE_LIMIT_GENERAL: '100000' });
    const subject = someone();
    await new RedisWindows(redis).consume(
      only(chargeOf(`limits:{t:${subject.tenantId}}:tenant-plan`, slidingOf(500, 900_000), 499)),
    );
    const [last, refused] = [
      await limits.consume(['read'], subject),
      await limits.consume(['read'], { ...subject, userId: newId() }),
    ];
    expect(last.allowed).toBe(true);
    expect(refused.allowed).toBe(false);
    expect(refused.retryAfterMs).toBeGreaterThan(800_000);
    expect(refused.policies.filter(({ exceeded }) => exceeded).map(({ name }) => name)).toEqual(['tenant-plan']);
    expect(refused.policies.map(({ name }) => name)).toEqual(['edge', 'general', 'authenticated', 'tenant-plan']);
    expect((await limits.consume(['read'], someone())).allowed).toBe(true);
  });

  it('refuse the eleventh login of one address within a second, and let others in', async () => {
    const { limits } = await start();
    const results = await Promise.all(Array.from({ length: 11 }, () => limits.consume(['auth'], stranger(1))));
    expect(results.filter(({ allowed }) => !allowed)).toHaveLength(1);
    expect(results.find(({ allowed }) => !allowed)!.retryAfterMs).toBeLessThanOrEqual(1_050);
    expect((await limits.consume(['auth'], stranger(2))).allowed).toBe(true);
  });

  it('[A-047] let exactly what a bucket of 2,000 holds pass at once, and 1,000 a second afterwards', async () => {
    const { redis } = await start();
    const shared = new RedisWindows(redis);
    const rule = { algorithm: 'bucket', limit: 2_000, windowMs: 2_000 } as const;
    const key = `limits:{${newId()}}:edge`;
    const spend = (cost: number) => shared.consume(only(chargeOf(key, rule, cost)));
    const full = await spend(2_000);
    expect(full).toMatchObject({ taken: true, states: [{ remaining: 0 }] });
    // Every millisecond of Redis’s own clock brings one back, and no more.
    const soon = await spend(2_000);
    expect(soon).toMatchObject({
      taken: false,
      states: [{ remaining: soon.at - full.at, waitMs: 2_000 - (soon.at - full.at) }],
    });
    await pause(300);
    const later = await spend(0);
    expect(later.states[0]!.remaining).toBe(later.at - full.at);
  });

  it('[C-071] let everybody through, with a warning at boot, when they are switched off', async () => {
    const { limits, lines } = await start({ ENABLE_RATE_LIMITING: 'false', RATE_LIMIT_ANONYMOUS: '1' });
    expect(lines.join('')).toContain('limits.disabled');
    for (let n = 0; n < 50; n += 1)
      expect(await limits.consume(['strict'], stranger(3))).toEqual({ allowed: true, retryAfterMs: 0, policies: [] });
  });

  it('hold for routes of the throttler package too', async () => {
    const { redis, log } = await start();
    const storage = new RedisThrottlerStorage({ redis, log, nodes: 1, deadlineMs: 25 });
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
    process.kill(world.server.pid, 'SIGSTOP');
    try {
      const startedAt = monotonicMs();
      const results = [];
      for (let n = 0; n < 30; n += 1) results.push(await limits.consume(['public'], stranger(4)));
      expect(monotonicMs() - startedAt).toBeLessThan(2_000);
      expect(results.filter(({ allowed }) => allowed)).toHaveLength(10);
      expect(lines.join('')).toContain('"praxis.to":"local"');
    } finally {
      process.kill(world.server.pid, 'SIGCONT');
    }
    expect(await redis.ready('limits', 10_000)).toBe(true);
    const isShared = async () => {
      await limits.consume(['public'], stranger(5));
      return (await redis.get('limits').exists('limits:{ip:198.51.100.5}:anonymous')) === 1;
    };
    expect(await waitUntil(isShared, 5_000)).toBe(true);
    expect(lines.join('')).toContain('"praxis.to":"redis"');
  });

  it('never let more pass than the limit and one lease for each process, and settle what passed', async () => {
    const settings = { RATE_LIMIT_GENERAL: '1000000', RATE_LIMIT_ANONYMOUS: '1000', EXPECTED_NODES: '2' };
    const processes = await Promise.all([start(settings), start(settings)]);
    const ask = async (n: number) => (await processes[n % 2]!.limits.consume(['public'], stranger(7))).allowed;
    let passed = 0;
    for (let round = 0; round < 70; round += 1)
      passed += (await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n)))).filter(Boolean).length;
    expect(passed).toBeGreaterThanOrEqual(1_000);
    expect(passed).toBeLessThanOrEqual(1_000 + 2 * leaseOf(1_000));
    for (const { limits } of processes) await limits.beforeApplicationShutdown();
    const counts = await processes[0]!.redis.get('limits').hvals('limits:{ip:198.51.100.7}:anonymous');
    expect(counts.reduce((sum, count) => sum + Number(count), 0)).toBe(passed);
  }, 30_000);

  it('renew a lease before it is used up, so that a caller who goes on never waits', async () => {
    const most = { RATE_LIMIT_EDGE: '1000000', RATE_LIMIT_GENERAL: '1000000' };
    const { limits, redis } = await start({ ...most, RATE_LIMIT_ANONYMOUS: '100000' });
    const ask = () => limits.consume(['public'], stranger(12));
    const waits = (calls: number) => Array.from({ length: calls }, ask).filter((it) => it instanceof Promise).length;
    await ask();
    const before = redis.commandCounts('limits');
    const told = limits.answered.redis;
    const lease = leaseOf(100_000);
    expect(waits(lease * 0.7)).toBe(0);
    expect(redis.commandCounts('limits')).toEqual(before);
    expect(waits(lease * 0.1)).toBe(0);
    expect(redis.commandCounts('limits')).not.toEqual(before);
    expect(await waitUntil(() => limits.answered.redis > told, 5_000)).toBe(true);
    expect(waits(lease * 0.7)).toBe(0);
  });

  it('tell what passed by a lease within 2 s, though nobody asks again', async () => {
    const { limits, redis } = await start({ RATE_LIMIT_ANONYMOUS: '1000' });
    for (let n = 0; n < 4; n += 1) await limits.consume(['public'], stranger(8));
    const told = async () => {
      const counts = await redis.get('limits').hvals('limits:{ip:198.51.100.8}:anonymous');
      return counts.reduce((sum, count) => sum + Number(count), 0) === 4;
    };
    expect(await told()).toBe(false);
    expect(await waitUntil(told, 5_000)).toBe(true);
  });

  it('answer a refused caller from memory: Redis is not asked again', async () => {
    const { limits, redis } = await start();
    for (let n = 0; n < 6; n += 1) await limits.consume(['strict'], stranger(9));
    const before = redis.commandCounts('limits');
    for (let n = 0; n < 50; n += 1) expect((await limits.consume(['strict'], stranger(9))).allowed).toBe(false);
    expect(redis.commandCounts('limits')).toEqual(before);
  });

  it('keep strict policies within the limit over all processes without Redis, the others at one each', async () => {
    const { limits, redis } = await start({ EXPECTED_NODES: '100', RATE_LIMIT_ANONYMOUS: '60' });
    await redis.close();
    const open = await limits.consume(['public'], stranger(10));
    const closed = await limits.consume(['strict'], stranger(11));
    expect([open.allowed, closed.allowed]).toEqual([true, false]);
    expect(closed.reason).toBe('reduced');
    expect(closed.policies.filter(({ exceeded }) => exceeded).map(({ name }) => name)).toEqual(['strict']);
  });

  it('[E-026] apply from this process within 50 ms once Redis is stopped', async () => {
    const { limits } = await start({ RATE_LIMIT_ANONYMOUS: '20' });
    await limits.consume(['public'], stranger(6));
    await world.server.stop();
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
