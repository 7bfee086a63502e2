import { newId, type TenantContext } from '#infra/kernel';
import {
  coordinatesOf,
  LocalCluster,
  openTestDatabases,
  PostgresServer,
  stackHome,
  type TestDatabases,
  waitUntil,
} from '#infra/testing';

const patienceMs = 20_000;
let cluster: LocalCluster;
let db: TestDatabases;
let here: TenantContext;
let there: TenantContext;
let second: PostgresServer;

beforeAll(async () => {
  cluster = await LocalCluster.startTemporary({ servers: 2, replica: true, redis: true, durable: true });
  db = await openTestDatabases({
    cluster: coordinatesOf(cluster),
    env: { DB_POOL_MAX: '4', DB_POOL_MIN: '2', DB_ACQUIRE_TIMEOUT: '10000', DB_STATEMENT_TIMEOUT: '30000' },
  });
  second = cluster.servers[1] as PostgresServer;
  await db.sharding.onApplicationBootstrap();
  here = await db.newTenant({ shardId: 'shard-1' });
  there = await db.newTenant({ shardId: 'shard-2' });
}, 120_000);
afterEach(async () => {
  expect(await serves(there)).toBe(true);
});
afterAll(async () => {
  await db?.sharding.onApplicationShutdown();
  await db?.redis.close();
  await second?.stop();
  await cluster?.stop();
}, 60_000);

const ask = (ctx: TenantContext) => db.sharding.read(ctx, (tx) => tx.db.query<{ one: number }>('select 1 as one'));
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'answered',
    (error: { code?: string }) => error.code ?? 'an error without a code',
  );
const serves = (ctx: TenantContext) => waitUntil(async () => (await codeOf(ask(ctx))) === 'answered', patienceMs);
const breakers = () =>
  Object.fromEntries(db.sharding.nodes.map(({ database, role, breaker }) => [`${database} ${role}`, breaker]));
const openAt = (name: string) =>
  Object.fromEntries(Object.keys(breakers()).map((node) => [node, node === name ? 'open' : 'closed']));
const restart = async () => {
  const { dataDir, port, superuser } = second;
  second = await PostgresServer.start({ binariesHome: stackHome(), dataDir, port, superuser, durability: 'durable' });
};
/** Every backend of the second server and itself: it holds its sockets open and says nothing. */
const signalAll = async (name: NodeJS.Signals) => {
  process.kill(second.pid, name);
  for (const pid of backends) process.kill(pid, name);
};
let backends: readonly number[] = [];

describe('a shard whose server has stopped', () => {
  it('[B-075] refuses its own tenants at once and for now, opens its breaker alone, and serves again by itself', async () => {
    await second.stop();
    const early = await Promise.all(Array.from({ length: 3 }, () => ask(there).catch((error: unknown) => error)));
    expect(early).toEqual(Array(3).fill(expect.objectContaining({ code: 'shard.unavailable', kind: 'unavailable' })));
    expect(early).toEqual(
      Array(3).fill(expect.objectContaining({ options: expect.objectContaining({ retryAfterMs: 5_000 }) })),
    );
    expect(breakers()['shard-2 primary']).toBe('closed');
    const codes = new Set<string>();
    for (let n = 0; n < 50; n += 1) codes.add(await codeOf(ask(there)));
    expect(codes).toEqual(new Set(['shard.unavailable']));
    await expect(ask(there)).rejects.toMatchObject({ kind: 'unavailable', options: { retryAfterMs: 5_000 } });
    expect(breakers()).toEqual(openAt('shard-2 primary'));
    expect(await codeOf(db.sharding.write(there, (tx) => tx.db.execute('select 1')))).toBe('shard.unavailable');
    const others = await Promise.all(Array.from({ length: 100 }, () => codeOf(ask(here))));
    expect(new Set(others)).toEqual(new Set(['answered']));
    await restart();
    expect(await serves(there)).toBe(true);
    expect(breakers()['shard-2 primary']).toBe('closed');
    expect(Object.keys(breakers())).toEqual(expect.arrayContaining(['shard-1 replica-1', 'directory primary']));
  }, 60_000);

  it('[A-015, D-026] is back for its tenants within 5 s of its return, under load, with the process still there', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on('unhandledRejection', note).on('uncaughtException', note);
    const codes = new Set<string>();
    let working = true;
    const load = Array.from({ length: 8 }, async () => {
      while (working) {
        codes.add(await codeOf(db.sharding.write(there, (tx) => tx.db.query('select pg_sleep(0.01)'))));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await second.stop();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await restart();
    expect(await waitUntil(async () => (await codeOf(ask(there))) === 'answered', 5_000)).toBe(true);
    working = false;
    await Promise.all(load);
    process.off('unhandledRejection', note).off('uncaughtException', note);
    expect(unhandled).toEqual([]);
    expect([...codes].filter((code) => !['answered', 'shard.unavailable', 'database.in_doubt'].includes(code))).toEqual(
      [],
    );
  }, 60_000);

  it('does not stop the placement of new tenants on the others', async () => {
    await second.stop();
    await codeOf(ask(there));
    for (let n = 0; n < 3; n += 1) await codeOf(ask(there));
    for (let n = 0; n < 8; n += 1) {
      const { id } = await db.sharding.tenants.create({ slug: `t-${newId().slice(-12)}`, name: 'New', plan: 'FREE' });
      expect(await db.sharding.tenants.byId(id)).toMatchObject({ shardId: 'shard-1' });
    }
    await restart();
  }, 60_000);
});

describe('a shard whose server is silent', () => {
  it('lets go of everybody who waits for it, long before their own limits, and serves again by itself', async () => {
    backends = await second.asSuperuser(async (client) => {
      const { rows } = await client.query<{ pid: number }>(
        'select pid from pg_stat_activity where pid <> pg_backend_pid()',
      );
      return rows.map(({ pid }) => pid);
    });
    await signalAll('SIGSTOP');
    try {
      const waiting = Array.from({ length: 40 }, () => codeOf(ask(there)));
      expect(new Set(await Promise.all(waiting))).toEqual(new Set(['shard.unavailable']));
      expect(breakers()).toEqual(openAt('shard-2 primary'));
      expect(await codeOf(ask(here))).toBe('answered');
    } finally {
      await signalAll('SIGCONT');
    }
    expect(await serves(there)).toBe(true);
  }, 60_000);
});

describe('a replica whose server has stopped', () => {
  const whereOf = (ctx: TenantContext) =>
    db.sharding.read(
      ctx,
      async (tx) => (await tx.db.query<{ replica: boolean }>('select pg_is_in_recovery() as replica'))[0]?.replica,
      { from: 'replica' },
    );
  const inRotation = () => db.sharding.nodes.find(({ role }) => role === 'replica-1')?.replica?.inRotation;

  it('[E-057, D-024] leaves its reads to the primary without an error, and gets them again within 15 s of its return', async () => {
    const { dataDir, port, superuser } = cluster.replica as PostgresServer;
    expect(await waitUntil(async () => (await whereOf(here)) === true, patienceMs)).toBe(true);
    const reads = Array.from({ length: 4 }, async () => {
      const heard: unknown[] = [];
      for (let n = 0; n < 200; n += 1) heard.push(await whereOf(here));
      return heard;
    });
    await cluster.replica?.stop();
    const heard = new Set((await Promise.all(reads)).flat());
    expect(heard.has(false)).toBe(true);
    expect([...heard].every((where) => typeof where === 'boolean')).toBe(true);
    for (let n = 0; n < 50; n += 1) expect(await whereOf(here)).toBe(false);
    expect(await waitUntil(async () => inRotation() === false, 2_000)).toBe(true);
    const again = { binariesHome: stackHome(), dataDir, port, superuser, durability: 'durable' } as const;
    const started = await PostgresServer.start(again);
    try {
      expect(await waitUntil(async () => (await whereOf(here)) === true, 15_000)).toBe(true);
    } finally {
      await started.stop();
    }
  }, 60_000);
});
