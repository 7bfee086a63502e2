import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '#infra/config';
import type { TenantContext } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { findPort, openTestDatabases, RedisServer, stackHome, type TestDatabases, waitUntil } from '#infra/testing';
import { moverOf } from '../test/moving.js';
import { DirectoryNews, type TenantChange } from './directory-news.js';
import { moveTenant } from './index.js';
import { Tenants } from './tenants.js';

const folder = mkdtempSync(join(tmpdir(), 'praxis-news-'));
let port: number;
let server: RedisServer;
let db: TestDatabases;
/** What each process has: its own connections and its own memory. */
let here: Process;
let there: Process;

interface Process {
  readonly redis: RedisConnections;
  readonly news: DirectoryNews;
  readonly tenants: Tenants;
}

const startRedis = () =>
  RedisServer.start({
    ...{ binariesHome: stackHome(), dataDir: join(folder, 'redis'), port, password: '' },
    ...{ durability: 'fast', note: () => undefined },
  });

async function startProcess(): Promise<Process> {
  const config = parseConfig({ redis: redisConfig }, { REDIS_URL: server.url }).redis;
  const log = createLog({ level: 'silent', service: 'test' }, { app: 'test', version: '0' });
  const redis = new RedisConnections(config, log, new Metrics());
  const news = new DirectoryNews(redis);
  const tenants = new Tenants(db.databases, db.clock, news);
  tenants.listen();
  await redis.ready('cache', 5_000);
  return { redis, news, tenants };
}

beforeAll(async () => {
  chmodSync(folder, 0o711);
  port = await findPort('Redis', [], () => undefined);
  server = await startRedis();
  db = await openTestDatabases();
  [here, there] = await Promise.all([startProcess(), startProcess()]);
  await bothListen();
}, 60_000);
afterAll(async () => {
  for (const one of [here, there]) await one?.redis.close();
  await db?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Until what one tells reaches the other. */
async function bothListen(): Promise<void> {
  const ctx = await db.newTenant();
  const heard = async (from: Process, by: Process) =>
    waitUntil(async () => {
      await by.tenants.byId(ctx.tenant.id);
      const { kept } = by.tenants;
      await from.news.tell({ tenant: ctx.tenant.id, epoch: 1 });
      return waitUntil(() => by.tenants.kept < kept, 200);
    }, 10_000);
  expect([await heard(here, there), await heard(there, here)]).toEqual([true, true]);
}

/** As the directory is changed by somebody who tells nobody. */
const changePlan = (ctx: TenantContext, plan: string) =>
  db.asAdmin('directory', 'update tenant set plan = $2 where id = $1', [ctx.tenant.id, plan]);

describe('a change of the directory', () => {
  it('of a plan, a suspension and its end are known to another process within a moment', async () => {
    const ctx = await db.newTenant({ plan: 'BASIC' });
    const { id } = ctx.tenant;
    const seen = async () => {
      const { plan, state } = await there.tenants.byId(id);
      return `${plan} ${state}`;
    };
    expect(await seen()).toBe('BASIC active');
    await here.tenants.changePlan(id, 'ENTERPRISE');
    expect(await waitUntil(async () => (await seen()) === 'ENTERPRISE active', 5_000)).toBe(true);
    await here.tenants.suspend(id);
    expect(await waitUntil(async () => (await seen()) === 'ENTERPRISE suspended', 5_000)).toBe(true);
    await here.tenants.resume(id);
    expect(await waitUntil(async () => (await seen()) === 'ENTERPRISE active', 5_000)).toBe(true);
  });

  it('drops that tenant alone, and what is no news of ours drops nothing', async () => {
    const [one, other] = [await db.newTenant(), await db.newTenant()];
    for (const { tenant } of [one, other]) await there.tenants.byId(tenant.id);
    const kept = there.tenants.kept;
    const channel = here.redis.channel('cache', 'd1:tenant');
    for (const text of [
      '',
      '{}',
      '[]',
      'x'.repeat(10_000),
      '{"tenant":"x","epoch":1}',
      `{"tenant":"${other.tenant.id}"}`,
    ])
      await here.redis.get('cache').publish(channel, text);
    await here.news.tell({ tenant: one.tenant.id, epoch: 2 });
    expect(await waitUntil(() => there.tenants.kept < kept, 5_000)).toBe(true);
    expect(there.tenants.kept).toBe(kept - 1);
    await changePlan(other, 'FREE');
    expect((await there.tenants.byId(other.tenant.id)).plan).toBe('PROFESSIONAL');
  });

  it('that a move makes is told once the directory says so', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    expect((await there.tenants.byId(ctx.tenant.id)).shardId).toBe('shard-1');
    const told: unknown[] = [];
    const tell = (change: TenantChange) => {
      told.push(change);
      void here.news.tell(change);
    };
    await moveTenant(moverOf(db, { told: tell }), { tenant: ctx.tenant.id, shardId: 'shard-2' });
    expect(told).toEqual([{ tenant: ctx.tenant.id, epoch: 2 }]);
    const moved = async () => (await there.tenants.byId(ctx.tenant.id)).shardId === 'shard-2';
    expect(await waitUntil(moved, 5_000)).toBe(true);
  });
});

describe('while Redis is away', () => {
  it('the directory answers as ever, and after its return nothing is left that was kept before', async () => {
    const ctx = await db.newTenant({ plan: 'BASIC' });
    await there.tenants.byId(ctx.tenant.id);
    await server.stop();
    await here.tenants.changePlan(ctx.tenant.id, 'ENTERPRISE');
    expect((await here.tenants.byId(ctx.tenant.id)).plan).toBe('ENTERPRISE');
    // Nobody told this process: it goes by what it knows, for a minute at most.
    expect((await there.tenants.byId(ctx.tenant.id)).plan).toBe('BASIC');
    server = await startRedis();
    expect(await waitUntil(async () => (await there.tenants.byId(ctx.tenant.id)).plan === 'ENTERPRISE', 15_000)).toBe(
      true,
    );
    await bothListen();
  }, 60_000);
});
