import { setTimeout as pause } from 'node:timers/promises';
import { Cache, cacheConfig } from '#infra/cache';
import { parseConfig } from '#infra/config';
import { monotonicMs, newId, systemClock, type TenantContext } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { WritePositions } from '#infra/replicas';
import { createLog, Metrics } from '#infra/telemetry';
import { openTestDatabases, RedisCluster, type TestDatabases, waitUntil } from '#infra/testing';
import { Limits, throttlingConfig } from '#infra/throttling';

const recoveryMs = 15_000;
let cluster: RedisCluster;
let databases: TestDatabases;
const opened: Process[] = [];

/** What one process of the product holds of Redis. */
class Process {
  readonly redis: RedisConnections;
  readonly cache: Cache;
  readonly limits: Limits;
  readonly positions: WritePositions;

  private constructor() {
    const config = parseConfig({ redis: redisConfig, cache: cacheConfig, throttling: throttlingConfig }, databases.env);
    const log = createLog({ level: 'error', service: 'praxis' }, { app: 'test', to: { write: () => undefined } });
    const metrics = new Metrics();
    this.redis = new RedisConnections(config.redis, log, metrics);
    const { crypto, audit } = databases;
    const parts = { redis: this.redis, log, metrics, clock: systemClock };
    this.cache = new Cache({ ...parts, config: config.cache, crypto, audit });
    this.limits = new Limits({ ...parts, config: config.throttling });
    this.positions = new WritePositions(this.redis);
    opened.push(this);
  }

  static async start(): Promise<Process> {
    const started = new Process();
    started.cache.onModuleInit();
    const ready = await Promise.all(
      (['cache', 'limits', 'sessions'] as const).map((r) => started.redis.ready(r, 5_000)),
    );
    const hears = await waitUntil(() => started.cache.hears, 5_000);
    if (ready.includes(false) || !hears) throw new Error('no Redis');
    return started;
  }

  /** What the cache has under the name, and whether it had to be loaded. */
  async ask(ctx: TenantContext, name: string): Promise<{ readonly value: string; readonly loaded: boolean }> {
    let loaded = false;
    const value = await this.cache.getOrSet(ctx, 'general', name, async () => {
      loaded = true;
      return `${ctx.tenant.id} ${name}`;
    });
    return { value, loaded };
  }

  async stop(): Promise<void> {
    this.cache.beforeApplicationShutdown();
    await this.redis.close();
  }
}

beforeAll(async () => {
  cluster = await RedisCluster.startTemporary();
  databases = await openTestDatabases({ env: cluster.env });
}, 60_000);
afterEach(() => Promise.all(opened.splice(0).map((each) => each.stop())));
afterAll(async () => {
  await databases.close();
  await cluster.stop();
});

const tenants = (count: number): Promise<TenantContext[]> =>
  Promise.all(Array.from({ length: count }, () => databases.newTenant()));
const userOf = (ctx: TenantContext) => ({
  ip: '203.0.113.9',
  userId: newId(),
  tenantId: ctx.tenant.id,
  plan: ctx.tenant.plan,
});
/** By their primary; where a tenant lies is chance. */
async function tenantsOnEveryPrimary(): Promise<Map<number, TenantContext>> {
  const found = new Map<number, TenantContext>();
  for (let tries = 0; found.size < 3 && tries < 100; tries += 1) {
    const ctx = await databases.newTenant();
    found.set(await cluster.primaryOf(`{t:${ctx.tenant.id}}`, 3), ctx);
  }
  expect(found.size).toBe(3);
  return found;
}

describe('on a Redis Cluster', () => {
  it('a call counts against its address and its tenant, wherever their windows lie', async () => {
    const [one, other] = await Promise.all([Process.start(), Process.start()]);
    for (const ctx of await tenants(6)) {
      const user = userOf(ctx);
      const counted = async () => {
        const counts = await one.redis.get('limits').hvals(`limits:{t:${ctx.tenant.id}}:tenant-plan`);
        return counts.reduce((sum, count) => sum + Number(count), 0);
      };
      for (const each of [one, other]) {
        const before = await counted();
        const counts = async () => (await each.limits.consume(['read'], user)).allowed && (await counted()) > before;
        expect(await waitUntil(counts, 5_000)).toBe(true);
      }
    }
  });

  it('what one process loads, another finds, for tenants on every primary; what it forgets, the other loads anew', async () => {
    const [one, other] = await Promise.all([Process.start(), Process.start()]);
    const contexts = [...(await tenantsOnEveryPrimary()).values()];
    for (const ctx of contexts) {
      expect(await one.ask(ctx, 'shared')).toMatchObject({ loaded: true });
      expect(await other.ask(ctx, 'shared')).toEqual({ value: `${ctx.tenant.id} shared`, loaded: false });
      await one.cache.forget(ctx, 'general', 'shared');
    }
    await pause(200);
    for (const ctx of contexts) expect(await other.ask(ctx, 'shared')).toMatchObject({ loaded: true });
  });

  it('another process knows how far a user’s reads must have come', async () => {
    const [one, other] = await Promise.all([Process.start(), Process.start()]);
    for (const { tenant } of await tenants(6)) {
      await one.positions.remember(tenant.id, 'u-1', 'shard-1', 42n);
      await one.positions.remember(tenant.id, 'u-1', 'shard-1', 17n);
      expect(await other.positions.newest(tenant.id, 'u-1', 'shard-1')).toBe(42n);
      expect(await other.positions.newest(tenant.id, 'u-2', 'shard-1')).toBeNull();
    }
  });

  it('[D-036] [B-084] [C-083] with one primary killed, errors of the cache are misses only, and it is back within 15 s', async () => {
    const [one, other] = await Promise.all([Process.start(), Process.start()]);
    const [[killed, lost], [, kept]] = [...(await tenantsOnEveryPrimary())] as [
      [number, TenantContext],
      [number, TenantContext],
    ];
    const user = userOf(lost);
    expect(await other.positions.newest(lost.tenant.id, 'u-1', 'shard-1')).toBeNull();

    await cluster.kill(killed);
    const killedAt = monotonicMs();
    const seen = { misses: 0, unknown: 0, refused: 0 };
    let backMs: number | undefined;
    for (let n = 0; backMs === undefined && monotonicMs() - killedAt < recoveryMs; n += 1) {
      for (const ctx of [lost, kept]) expect((await one.ask(ctx, `n-${n}`)).value).toBe(`${ctx.tenant.id} n-${n}`);
      const { value, loaded } = await other.ask(lost, `n-${n}`);
      expect(value).toBe(`${lost.tenant.id} n-${n}`);
      const position = await other.positions.newest(lost.tenant.id, 'u-1', 'shard-1');
      const { allowed } = await one.limits.consume(['operator'], user);
      seen.misses += loaded ? 1 : 0;
      seen.unknown += position === 'unknown' ? 1 : 0;
      seen.refused += allowed ? 0 : 1;
      if (!loaded && position === null && n > 0) backMs = monotonicMs() - killedAt;
      await pause(50);
    }
    expect(backMs).toBeLessThan(recoveryMs);
    expect(seen.misses).toBeGreaterThan(0);
    expect(seen.unknown).toBeGreaterThan(0);
    expect(seen.refused).toBe(0);
    await cluster.restart(killed);
  }, 60_000);
});
