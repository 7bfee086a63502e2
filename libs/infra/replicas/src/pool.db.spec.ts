import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { parseConfig } from '#infra/config';
import { monotonicMs } from '#infra/kernel';
import { testCluster, waitUntil } from '#infra/testing';
import { NodePool } from './pool.js';
import type { PoolOptions } from './pool-settings.js';
import { databaseConfig, primaryPool } from './replicas.config.js';

const options: PoolOptions = {
  min: 0,
  max: 2,
  acquireTimeoutMs: 2_000,
  queueLimit: 500,
  idleTimeoutMs: 1_000,
  statementTimeoutMs: 5_000,
  applicationName: 'pool-spec',
};
const patienceMs = 15_000;
/** A connection may take much longer to make than its caller waits. */
const impatient = { acquireTimeoutMs: 200, createTimeoutMs: 4_000 };
const opened: NodePool[] = [];
const open = (changed: Partial<PoolOptions> = {}): NodePool => {
  const [server] = testCluster().servers;
  if (!server) throw new Error('no server');
  const { user, password } = server.superuser;
  const url = `postgres://${user}:${encodeURIComponent(password)}@${server.host}:${server.port}/postgres`;
  const pool = new NodePool(url, { ...options, ...changed }, () => undefined);
  opened.push(pool);
  return pool;
};
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.end()));
});

/** That many connections, out at the same time. */
const take = (pool: NodePool, count: number) => Promise.all(Array.from({ length: count }, () => pool.connect()));
const refusal = async (work: Promise<unknown>) => {
  const startedAt = monotonicMs();
  const error = (await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )) as { code?: string; kind?: string } | null;
  return { code: error?.code, kind: error?.kind, afterMs: monotonicMs() - startedAt };
};
/** The way to the test's server; while it is shut, whoever comes is sent away. */
async function gateTo(port: number) {
  const gate = { open: false, port: 0, close: () => undefined as unknown };
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (!gate.open) return void socket.destroy();
    const through = connect(port, '127.0.0.1').on('error', () => socket.destroy());
    socket.pipe(through).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  gate.port = (server.address() as AddressInfo).port;
  gate.close = () => server.close();
  return gate;
}
const backendOf = async (client: Awaited<ReturnType<NodePool['connect']>>): Promise<number> =>
  (await client.query('select pg_backend_pid() as pid')).rows[0].pid;

const tcpTable = '/proc/net/tcp';
/** `timer_active` of Linux’s table of sockets: 02 while a keepalive timer runs. */
const keepaliveTimer = '02';

function timerOf(localPort: number): string | undefined {
  const port = localPort.toString(16).toUpperCase().padStart(4, '0');
  const rows = readFileSync(tcpTable, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return rows.find(([, local]) => local?.endsWith(`:${port}`))?.[5]?.slice(0, 2);
}

describe('a pool of connections', () => {
  it('[C-006] of 20 and 30 more takes 50, not 51, and keeps 20 when nobody needs the rest', async () => {
    const pool = open({ ...primaryPool({ poolSize: 20, maxOverflow: 30 }) });
    const clients = await take(pool, 50);
    expect(await refusal(pool.connect())).toMatchObject({ code: 'database.pool_exhausted' });
    for (const client of clients) client.release();
    expect(await waitUntil(async () => pool.counts().total === 20, patienceMs)).toBe(true);
  });

  it('[A-012, D-026] refuses a waiter when the time to acquire is over, as unavailable for now', async () => {
    const pool = open({ max: 1, acquireTimeoutMs: 500 });
    const [client] = await take(pool, 1);
    const refused = await refusal(pool.connect());
    expect(refused).toMatchObject({ code: 'database.pool_exhausted', kind: 'unavailable' });
    expect(refused.afterMs).toBeGreaterThan(450);
    expect(refused.afterMs).toBeLessThan(5_000);
    client?.release();
  });

  it('[A-013, D-026] closes a connection above the minimum once it has been idle for the time that is set', async () => {
    const pool = open({ min: 1, max: 4, idleTimeoutMs: 1_000 });
    for (const client of await take(pool, 4)) client.release();
    expect(pool.counts().total).toBe(4);
    expect(await waitUntil(async () => pool.counts().total === 1, 6_000)).toBe(true);
  });

  it('[B-019] lets 500 wait and refuses the 501st at once', async () => {
    const pool = open({ max: 1, queueLimit: 500, acquireTimeoutMs: 60_000 });
    const [client] = await take(pool, 1);
    const waiting = Array.from({ length: 500 }, async () => (await pool.connect()).release());
    const refused = await refusal(pool.connect());
    expect(refused).toMatchObject({ code: 'database.pool_exhausted', kind: 'unavailable' });
    expect(pool.counts().waiting).toBe(500);
    client?.release();
    await Promise.all(waiting);
  });

  it('[C-013] never hands out a dead connection twice', async () => {
    const pool = open({ max: 1 });
    const [first] = await take(pool, 1);
    const pid = first ? await backendOf(first) : 0;
    first?.release();
    const killer = await open({ max: 1 }).connect();
    await killer.query('select pg_terminate_backend($1, 5000)', [pid]);
    killer.release();
    expect(await waitUntil(async () => pool.counts().total === 0, patienceMs)).toBe(true);
    const second = await pool.connect();
    expect(await backendOf(second)).not.toBe(pid);
    second.release();
  });

  it('[E-005] gives a connection 7,500 uses, then a new one takes its place', async () => {
    const pool = open({ min: 1, max: 1 });
    const pids = new Set<number>();
    for (let use = 1; use <= 7_501; use += 1) {
      const client = await pool.connect();
      if (use === 1 || use >= 7_500) pids.add(await backendOf(client));
      if (use === 7_500) expect(pids.size).toBe(1);
      client.release();
    }
    expect(pids.size).toBe(2);
    expect(pool.counts().total).toBe(1);
  });

  it('[E-002] opens 5 when it starts and keeps 5 when nobody needs them', async () => {
    const pool = open({ min: 5, max: 20, idleTimeoutMs: 1_000 });
    pool.start();
    expect(await waitUntil(async () => pool.counts().idle === 5, patienceMs)).toBe(true);
    for (const client of await take(pool, 9)) client.release();
    expect(pool.counts().total).toBe(9);
    expect(await waitUntil(async () => pool.counts().total === 5, patienceMs)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(pool.counts()).toMatchObject({ total: 5, idle: 5 });
  });

  it('[A-010, D-026] is warm to its minimum again after its connections have had their uses', async () => {
    const applicationName = 'warm-spec';
    const pool = open({ ...primaryPool({ poolMin: 3, poolMax: 3 }), applicationName, evictIntervalMs: 200 });
    const watching = open({ max: 1 });
    const backends = async () => {
      const client = await watching.connect();
      const { rows } = await client.query<{ pid: number }>(
        'select pid from pg_stat_activity where application_name = $1 order by pid',
        [applicationName],
      );
      client.release();
      return rows.map(({ pid }) => pid);
    };
    pool.start();
    expect(await waitUntil(async () => (await backends()).length === 3, patienceMs)).toBe(true);
    const before = await backends();
    for (let use = 0; use < 3 * 7_500; use += 1) (await pool.connect()).release();
    const replaced = async () => {
      const now = await backends();
      return now.length === 3 && pool.counts().idle === 3 && !before.every((pid) => now.includes(pid));
    };
    expect(await waitUntil(replaced, patienceMs)).toBe(true);
  });

  it('[A-014, D-026] looks after itself every 5 s: a killed connection is replaced though nobody asks', async () => {
    const pool = open({ min: 2, max: 4 });
    pool.start();
    expect(await waitUntil(async () => pool.counts().idle === 2, patienceMs)).toBe(true);
    const [client] = await take(pool, 1);
    const pid = client ? await backendOf(client) : 0;
    client?.release();
    const killer = await open({ max: 1 }).connect();
    await killer.query('select pg_terminate_backend($1, 5000)', [pid]);
    killer.release();
    expect(await waitUntil(async () => pool.counts().total === 1, patienceMs)).toBe(true);
    expect(await waitUntil(async () => pool.counts().idle === 2, 6_000)).toBe(true);
  });

  it('[D-021] takes its own time to make a connection, while who asked for it waits no longer than they would', async () => {
    const deaf = createServer((socket) => held.push(socket));
    const held: Socket[] = [];
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = deaf.address() as AddressInfo;
      const pool = new NodePool(
        `postgres://nobody@127.0.0.1:${port}/none`,
        { ...options, ...impatient },
        () => undefined,
      );
      opened.push(pool);
      const refused = await refusal(pool.connect());
      expect(refused).toMatchObject({ code: 'database.unreachable', kind: 'unavailable' });
      expect(refused.afterMs).toBeLessThan(impatient.createTimeoutMs);
      expect(pool.counts().total).toBe(1);
      expect(await waitUntil(async () => pool.counts().total === 0, patienceMs)).toBe(true);
    } finally {
      for (const socket of held) socket.destroy();
      deaf.close();
    }
  });

  it('[B-035] leaves its server alone after 10 failures in a row to connect, not after 9, and a success begins anew', async () => {
    const { user, password } = testCluster().servers[0]?.superuser ?? { user: '', password: '' };
    const gate = await gateTo(testCluster().servers[0]?.port ?? 0);
    const heard: string[] = [];
    const url = `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${gate.port}/postgres`;
    const { database } = parseConfig({ database: databaseConfig }, {});
    const { breakerFailures } = database;
    const pool = new NodePool(
      url,
      { ...options, breakerFailures },
      () => undefined,
      (state) => void heard.push(state),
    );
    opened.push(pool);
    const fails = async (times: number) => {
      for (let n = 0; n < times; n += 1)
        expect(await refusal(pool.connect())).toMatchObject({ code: 'database.unreachable', kind: 'unavailable' });
    };
    try {
      await fails(9);
      expect(pool.breaker).toBe('closed');
      gate.open = true;
      (await pool.connect()).release(true);
      gate.open = false;
      await fails(9);
      expect([pool.breaker, heard]).toEqual(['closed', []]);
      await fails(1);
      expect([pool.breaker, heard]).toEqual(['open', ['open']]);
      await fails(1);
      gate.open = true;
      expect(await waitUntil(async () => pool.breaker === 'closed', patienceMs)).toBe(true);
      (await pool.connect()).release(true);
    } finally {
      gate.close();
    }
  });

  (existsSync(tcpTable) ? it : it.skip)('[B-021] keeps its connections alive through TCP', async () => {
    const pool = open({ max: 1 });
    const client = await pool.connect();
    const { localPort } = (client as unknown as { connection: { stream: Socket } }).connection.stream;
    expect(await waitUntil(async () => timerOf(localPort ?? 0) === keepaliveTimer, patienceMs)).toBe(true);
    client.release();
  });
});
