import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId, type TenantContext } from '#infra/kernel';
import { LocalCluster, openTestDatabases, type RedisServer, type TestDatabases, waitUntil } from '#infra/testing';
import { CacheRig } from '../test/cache-rig.js';

/** A Redis of this file's own, to stop, to freeze and to fill. */
const home = mkdtempSync(join(tmpdir(), 'praxis-cache-'));
let cluster: LocalCluster | undefined;
let db: TestDatabases;
let ctx: TenantContext;
let rig: CacheRig;
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);

const startRedis = async (): Promise<void> => {
  await cluster?.stop();
  cluster = await LocalCluster.start({ home, servers: 1, replica: false, durable: false, redis: true });
};
const server = (): RedisServer => {
  if (!cluster?.redis) throw new Error('not started');
  return cluster.redis;
};

beforeAll(async () => {
  process.on('unhandledRejection', onUnhandled);
  [db] = await Promise.all([openTestDatabases(), startRedis()]);
  ctx = await db.newTenant();
  rig = await CacheRig.start(db, { env: { REDIS_URL: server().url }, impatient: true });
}, 60_000);
afterAll(async () => {
  process.off('unhandledRejection', onUnhandled);
  await rig?.stop();
  await Promise.all([db?.close(), cluster?.stop()]);
  rmSync(home, { recursive: true, force: true });
});

/** The way to Redis; while it is shut, who is on it is cut off and who comes is sent away. */
async function gateTo(port: number) {
  const sockets = new Set<Socket>();
  let isOpen = true;
  const gate = createServer((socket) => {
    const through = connect(port, '127.0.0.1');
    for (const each of [socket, through]) {
      sockets.add(each);
      each.on('error', () => undefined).on('close', () => [socket, through].forEach((end) => void end.destroy()));
    }
    if (isOpen) socket.pipe(through).pipe(socket);
    else socket.destroy();
  });
  await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    port: (gate.address() as AddressInfo).port,
    shut: () => {
      isOpen = false;
      cut();
    },
    open: () => {
      isOpen = true;
    },
    end: () => {
      cut();
      gate.close();
    },
  };
}
const name = () => `n:${newId()}`;
const read = (strategy: 'general' | 'qrCodes', key: string, value: string) =>
  rig.cache.getOrSet(ctx, strategy, key, async () => value);
/** 0 also while the connection is not back. */
const inRedis = (key: string) =>
  rig.redis
    .get('cache')
    .exists(`c1:{t:${ctx.tenant.id}}:general:${key}`)
    .catch(() => 0);

describe('the cache', () => {
  it('[E-016] answers from its source, and fails nobody, whatever Redis does: full, holding something else, frozen, gone', async () => {
    const connection = rig.redis.get('cache');
    await connection.config('SET', 'maxmemory', '1');
    const [first, second] = [name(), name()];
    expect(await read('general', first, 'full')).toBe('full');
    expect(await inRedis(first)).toBe(0);
    await connection.config('SET', 'maxmemory', '0');
    await connection.rpush(`c1:{t:${ctx.tenant.id}}:general:${second}`, 'a list');
    expect(await read('general', second, 'other')).toBe('other');
    process.kill(server().pid, 'SIGSTOP');
    try {
      const frozen = await Promise.all(Array.from({ length: 50 }, (_, n) => read('general', name(), `frozen ${n}`)));
      expect(frozen).toEqual(Array.from({ length: 50 }, (_, n) => `frozen ${n}`));
      await rig.cache.forget(ctx, 'general', first);
      expect(await read('general', first, 'anew')).toBe('anew');
    } finally {
      process.kill(server().pid, 'SIGCONT');
    }
    await server().stop();
    for (let n = 0; n < 50; n += 1) expect(await read('general', name(), `gone ${n}`)).toBe(`gone ${n}`);
    await rig.cache.forget(ctx, 'general', first);
    expect(unhandled).toEqual([]);
  });

  it('[E-010] serves memory and the source while Redis is stopped, no slower by 5 ms at p95 than with it', async () => {
    const p95 = async (strategy: 'general' | 'qrCodes') => {
      const tookMs: number[] = [];
      const known = name();
      for (let n = 0; n < 200; n += 1) {
        const at = performance.now();
        await read(strategy, n % 2 === 0 ? known : name(), 'x');
        tookMs.push(performance.now() - at);
      }
      return tookMs.sort((a, b) => a - b)[189] as number;
    };
    await startRedis();
    expect(await waitUntil(() => rig.cache.stats(ctx).redis === 'up', 10_000)).toBe(true);
    const withRedis = await p95('qrCodes');
    await server().stop();
    expect(await waitUntil(() => rig.cache.stats(ctx).redis === 'away', 10_000)).toBe(true);
    const without = await p95('qrCodes');
    expect(without - withRedis).toBeLessThan(5);
    expect(rig.cache.stats(ctx).strategies.qrCodes.memory.hits).toBeGreaterThanOrEqual(198);
  }, 60_000);

  it('keeps in memory while Redis is gone: for a second what may change, for its whole time what cannot', async () => {
    expect(await waitUntil(() => !rig.cache.hears, 5_000)).toBe(true);
    const [picture, report] = [name(), name()];
    expect([await read('qrCodes', picture, 'drawn'), await read('general', report, 'old')]).toEqual(['drawn', 'old']);
    expect(await read('general', report, 'new')).toBe('old');
    expect(await waitUntil(async () => (await read('general', report, 'new')) === 'new', 5_000)).toBe(true);
    expect(await read('qrCodes', picture, 'again')).toBe('drawn');
    expect(rig.cache.stats(ctx)).toMatchObject({ hears: false, redis: 'away' });
  });

  it('is back by itself when Redis is, tells it what was forgotten meanwhile, and trusts no older memory', async () => {
    await startRedis();
    expect(await rig.hears()).toBe(true);
    expect(await waitUntil(() => rig.cache.stats(ctx).redis === 'up', 10_000)).toBe(true);
    const stored = async () => {
      const key = name();
      await read('general', key, 'x');
      return (await inRedis(key)) === 1;
    };
    expect(await waitUntil(stored, 10_000)).toBe(true);
    const other = await CacheRig.start(db, { env: { REDIS_URL: server().url }, impatient: true });
    const key = name();
    const elsewhere = (value: string) => other.cache.getOrSet(ctx, 'general', key, async () => value);
    expect([await read('general', key, 'old'), await elsewhere('lost')]).toEqual(['old', 'old']);
    await server().stop();
    await rig.cache.forget(ctx, 'general', key);
    expect(await read('general', key, 'new')).toBe('new');
    await startRedis();
    expect(await waitUntil(async () => (await elsewhere('newer')) !== 'old', 10_000)).toBe(true);
    expect(await Promise.all([rig.hears(), other.hears()])).toEqual([true, true]);
    expect(await waitUntil(stored, 10_000)).toBe(true);
    await other.stop();
    expect(unhandled).toEqual([]);
  }, 60_000);

  it('drops no forgetting of a cut, however many there are: what is too much is forgotten with its whole tenant', async () => {
    const gate = await gateTo(server().port);
    const cut = await CacheRig.start(db, { env: { REDIS_URL: `redis://127.0.0.1:${gate.port}` }, impatient: true });
    const other = await CacheRig.start(db, { env: { REDIS_URL: server().url }, impatient: true });
    try {
      expect(await Promise.all([cut.hears(), other.hears()])).toEqual([true, true]);
      const [busy, calm] = [await db.newTenant(), ctx];
      const key = name();
      const elsewhere = (who: TenantContext, value: string) =>
        other.cache.getOrSet(who, 'general', key, async () => value);
      expect([await elsewhere(calm, 'old'), await elsewhere(busy, 'old')]).toEqual(['old', 'old']);
      gate.shut();
      expect(await waitUntil(() => cut.cache.stats(ctx).redis === 'away', 10_000)).toBe(true);
      await cut.cache.forget(calm, 'general', key);
      await cut.cache.forget(busy, 'general', key);
      for (let n = 0; n < 10_500; n += 1) await cut.cache.forget(busy, 'general', `k:${n}`);
      gate.open();
      for (const who of [calm, busy])
        expect(await waitUntil(async () => (await elsewhere(who, 'new')) === 'new', 15_000)).toBe(true);
      expect(unhandled).toEqual([]);
    } finally {
      await Promise.all([cut.stop(), other.stop()]);
      gate.end();
    }
  }, 60_000);
});
