import { parseConfig } from '#infra/config';
import { testCluster, waitUntil } from '#infra/testing';
import type { ClosedBecause } from './connection-lives.js';
import { NodePool } from './pool.js';
import type { PoolOptions } from './pool-settings.js';
import { databaseConfig, primaryPool } from './replicas.config.js';

const patienceMs = 15_000;
const opened: NodePool[] = [];
/** A primary's pool as a process makes it that is told nothing. */
const defaults = (): PoolOptions => {
  const { database } = parseConfig({ database: databaseConfig }, {});
  const { acquireTimeoutMs, queueLimit, idleTimeoutMs, statementTimeoutMs, evictIntervalMs } = database;
  const times = { acquireTimeoutMs, idleTimeoutMs, statementTimeoutMs, evictIntervalMs };
  return { ...primaryPool(database), ...times, queueLimit, applicationName: 'pool-times' };
};
const open = (changed: Partial<PoolOptions> = {}): NodePool => {
  const [server] = testCluster().servers;
  if (!server) throw new Error('no server');
  const { user, password } = server.superuser;
  const url = `postgres://${user}:${encodeURIComponent(password)}@${server.host}:${server.port}/postgres`;
  const pool = new NodePool(url, { ...defaults(), ...changed }, () => undefined);
  opened.push(pool);
  return pool;
};
const take = (pool: NodePool, count: number) => Promise.all(Array.from({ length: count }, () => pool.connect()));
const releaseAll = (clients: Awaited<ReturnType<typeof take>>) => {
  for (const client of clients) client.release();
};
/** Backends of the specs' own name, which another connection counts. */
async function backends(watching: NodePool): Promise<readonly number[]> {
  const client = await watching.connect();
  const { rows } = await client.query<{ pid: number }>(
    `select pid from pg_stat_activity where application_name = 'pool-times' order by pid`,
  );
  client.release();
  return rows.map(({ pid }) => pid);
}
/** Time stands still for timers; sockets go on. */
const stopTimers = () =>
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance', 'Date'] });
/** Waits in real time, while timers stand still. */
const eventually = async (check: () => Promise<boolean>): Promise<boolean> => {
  for (let n = 0; n < 5_000; n += 1) {
    if (await check()) return true;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
};
afterEach(async () => {
  jest.useRealTimers();
  await Promise.all(opened.splice(0).map((pool) => pool.end()));
});

describe('a pool that is told nothing', () => {
  it('[E-001, B-083, C-081] opens 20 connections at most, unless it is told another number', async () => {
    const pool = open();
    const clients = await take(pool, 20);
    expect(pool.counts()).toMatchObject({ max: 20, total: 20, idle: 0 });
    const waiting = pool.connect();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(pool.counts()).toMatchObject({ total: 20, waiting: 1 });
    releaseAll(clients);
    (await waiting).release();
    const wider = open(primaryPool({ poolMax: 22 }));
    releaseAll(await take(wider, 22));
    expect(wider.counts().total).toBe(22);
  });

  it('[E-003] closes what is above its minimum 30 s after the last use, and not before', async () => {
    const watching = open({ applicationName: 'watching', min: 1, max: 1 });
    const pool = open({ idleTimeoutMs: defaults().idleTimeoutMs });
    expect(await eventually(async () => (await backends(watching)).length === 0)).toBe(true);
    stopTimers();
    releaseAll(await take(pool, 8));
    await jest.advanceTimersByTimeAsync(29_000);
    expect(await backends(watching)).toHaveLength(8);
    await jest.advanceTimersByTimeAsync(6_000);
    expect(await eventually(async () => (await backends(watching)).length === 5)).toBe(true);
    expect(pool.counts()).toMatchObject({ total: 5, idle: 5 });
  });

  it('[E-004] lets nobody wait longer than 2 s for a connection, and says then that it is not available', async () => {
    const pool = open({ max: 2 });
    const clients = await take(pool, 2);
    stopTimers();
    let refused: unknown;
    const waiting = pool.connect().catch((error: unknown) => {
      refused = error;
    });
    await jest.advanceTimersByTimeAsync(1_900);
    expect(refused).toBeUndefined();
    await jest.advanceTimersByTimeAsync(200);
    expect(refused).toMatchObject({ code: 'database.pool_exhausted', kind: 'unavailable' });
    await waiting;
    releaseAll(clients);
  });

  it('[E-008] has twenty times as many statements at work at once as a single connection', async () => {
    const watching = open({ applicationName: 'watching', max: 2 });
    const holder = await watching.connect();
    await holder.query('select pg_advisory_lock(8)');
    const atOnce = async (pool: NodePool, expected: number) => {
      const work = Array.from({ length: 40 }, async () => {
        const client = await pool.connect();
        await client.query('select pg_advisory_lock_shared(8), pg_advisory_unlock_shared(8)');
        client.release();
      });
      const stuck = async () =>
        (
          await holder.query<{ count: number }>(
            `select count(*)::int as count from pg_stat_activity where application_name = 'pool-times' and wait_event_type = 'Lock'`,
          )
        ).rows[0]?.count ?? 0;
      await waitUntil(async () => (await stuck()) >= expected && pool.counts().waiting === 40 - expected, patienceMs);
      const most = await stuck();
      await holder.query('select pg_advisory_unlock(8)');
      await Promise.all(work);
      await pool.end();
      opened.splice(opened.indexOf(pool), 1);
      await holder.query('select pg_advisory_lock(8)');
      return most;
    };
    const unhurried = { acquireTimeoutMs: 60_000 };
    const pooled = await atOnce(open(unhurried), 20);
    const single = await atOnce(open({ ...unhurried, min: 0, max: 1 }), 1);
    expect([pooled, single, pooled / single]).toEqual([20, 1, 20]);
    await holder.query('select pg_advisory_unlock(8)');
    holder.release();
  });

  it('[C-008] gives a connection 30 minutes and 7,500 uses', async () => {
    const pool = open({ min: 1, max: 1 });
    const pidOf = async () => {
      const client = await pool.connect();
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
      client.release();
      return rows[0]?.pid;
    };
    stopTimers();
    const first = await pidOf();
    await jest.advanceTimersByTimeAsync(1_799_000);
    expect(await pidOf()).toBe(first);
    await jest.advanceTimersByTimeAsync(1_000);
    const second = await pidOf();
    expect(second).not.toBe(first);
    // One use is behind it.
    for (let use = 2; use <= 7_499; use += 1) (await pool.connect()).release();
    expect(await pidOf()).toBe(second);
    expect(await pidOf()).not.toBe(second);
  });
});

describe('the news of a pool', () => {
  const listen = (pool: NodePool) => {
    const told: (ClosedBecause | 'opened')[] = [];
    const waits: number[] = [];
    pool.news = {
      acquired: (waitedMs) => waits.push(waitedMs),
      opened: () => told.push('opened'),
      closed: (because) => told.push(because),
    };
    const hears = (news: ClosedBecause) => waitUntil(async () => told.includes(news), patienceMs);
    return { told, waits, hears };
  };

  it('[C-007] tells of each connection that it came, and why it went', async () => {
    const brief = open({ min: 1, max: 3, idleTimeoutMs: 1_000, maxLifetimeS: 3 });
    const { told, hears } = listen(brief);
    const [one, ...others] = await take(brief, 3);
    expect(told).toEqual(['opened', 'opened', 'opened']);
    one?.release(true);
    expect(await hears('broken')).toBe(true);
    releaseAll(others);
    expect(await hears('idle')).toBe(true);
    expect(await hears('lifetime')).toBe(true);
    const busy = open({ min: 1, max: 1 });
    const news = listen(busy);
    for (let use = 1; use <= 7_501; use += 1) (await busy.connect()).release();
    expect(await news.hears('uses')).toBe(true);
    expect(news.waits).toHaveLength(7_501);
    await busy.end();
    opened.splice(opened.indexOf(busy), 1);
    expect(await news.hears('end')).toBe(true);
    expect(news.told).toEqual(['opened', 'uses', 'opened', 'end']);
  });
});
