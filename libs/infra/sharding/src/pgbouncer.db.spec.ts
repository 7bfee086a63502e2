import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { parseConfig } from '#infra/config';
import { TenantCrypto } from '#infra/crypto';
import { type Consistency, newId, type TenantContext } from '#infra/kernel';
import { databaseConfig, WritePositions } from '#infra/replicas';
import {
  openTestDatabases,
  PgbouncerServer,
  projectRoot,
  stackHome,
  type TestDatabases,
  waitUntil,
} from '#infra/testing';
import { Databases } from './databases.js';
import type { WriteContext } from './db.js';
import { DirectoryKeys } from './directory-keys.js';
import { shardingConfig } from './sharding.config.js';
import { Sharding } from './sharding.js';
import { Tenants } from './tenants.js';

const patienceMs = 60_000;
let db: TestDatabases;
const opened: { end(): Promise<unknown> }[] = [];
let narrow: PgbouncerServer;
let wide: PgbouncerServer;

beforeAll(async () => {
  db = await openTestDatabases();
  narrow = await pgbouncer({ default_pool_size: '2', reserve_pool_size: '0', query_wait_timeout: '60' });
  wide = await pgbouncer({});
}, 120_000);
afterAll(async () => {
  for (const one of opened) await one.end();
  await Promise.all([narrow?.stop(), wide?.stop()]);
  await db?.close();
});

const urls = () =>
  ['DIRECTORY_URL', 'SHARD_1_URL', 'SHARD_2_URL'].map((name) => [name, new URL(db.env[name] ?? '')] as const);
const nameOf = (database: string): string =>
  new URL(db.env[database === 'directory' ? 'DIRECTORY_URL' : `SHARD_${database.slice(-1)}_URL`] ?? '').pathname.slice(
    1,
  );

/** The product's settings before the databases of this file. */
function pgbouncer(settings: Readonly<Record<string, string>>): Promise<PgbouncerServer> {
  const app = urls()[0]?.[1];
  return PgbouncerServer.start({
    home: stackHome(),
    databases: Object.fromEntries(
      urls().map(([, { pathname, hostname, port }]) => [pathname.slice(1), { host: hostname, port: Number(port) }]),
    ),
    logins: [
      { user: app?.username ?? '', password: decodeURIComponent(app?.password ?? '') },
      { user: 'praxis_relay', password: db.env.DB_RELAY_PASSWORD ?? '' },
    ],
    settings,
  });
}

/** What an app builds, with every primary behind PgBouncer; replicas are asked directly. */
function behind(server: PgbouncerServer, env: Readonly<Record<string, string>> = {}) {
  const moved = urls().map(([name, url]) => [
    name,
    Object.assign(new URL(url), { port: String(server.port) }).toString(),
  ]);
  const pooled = {
    DB_PGBOUNCER: 'true',
    DB_PREPARED_STATEMENTS: String(server.keepsNames),
    DB_QUEUE_LIMIT: '2000',
    DB_ACQUIRE_TIMEOUT: '20000',
  };
  const config = parseConfig(
    { sharding: shardingConfig, database: databaseConfig },
    { ...db.env, ...Object.fromEntries(moved), ...pooled, ...env },
  );
  const { clock, rootKey, redis } = db;
  const databases = new Databases({ ...config, applicationName: 'pooled', clock, onIdleError: () => undefined });
  opened.push(databases);
  const { statementTimeoutMs } = config.database;
  const crypto = new TenantCrypto(rootKey, new DirectoryKeys(databases), clock);
  const [tenants, positions] = [new Tenants(databases, clock), new WritePositions(redis)];
  return { databases, sharding: new Sharding({ databases, tenants, positions, crypto, clock, statementTimeoutMs }) };
}

const add = (tx: WriteContext, key: string) =>
  tx.db.execute(
    `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
     values ($1, $2, 'fact', 'test', $3, '{}', 'r', $4, $4)`,
    [tx.tenant.id, newId(), key, new Date(db.clock.now())],
  );
const keysOf = async (sharding: Sharding, ctx: TenantContext): Promise<readonly string[]> =>
  sharding.read(ctx, async (tx) =>
    (await tx.db.query<{ key: string }>('select key from outbox order by id')).map(({ key }) => key),
  );
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'answered',
    (error: { code?: string }) => error.code,
  );
const fileOf = (path: string): string => readFileSync(join(projectRoot(), 'deploy', path), 'utf8');
const numberIn = (path: string, name: string): number =>
  Number(new RegExp(`^${name} = (\\d+)$`, 'm').exec(fileOf(path))?.[1]);
const newTenant = () => db.newTenant({ shardId: 'shard-1' });
/** Connections of PostgreSQL that the application has, all of them through PgBouncer. */
const backends = async (database: string): Promise<number> => {
  const [row] = await db.asAdmin<{ count: number }>(
    database,
    `select count(*)::int as count from pg_stat_activity where datname = $1 and usename = 'praxis_app'`,
    [nameOf(database)],
  );
  return row?.count ?? 0;
};

describe('a tenant’s transaction through PgBouncer', () => {
  it('works as without it: in one flight, on every shard, its rows and no other’s', async () => {
    const { sharding } = behind(narrow);
    const [one, beside] = [await newTenant(), await newTenant()];
    const there = await db.newTenant({ shardId: 'shard-2' });
    for (const ctx of [one, beside, there]) await sharding.write(ctx, (tx) => add(tx, ctx.tenant.id));
    for (const ctx of [one, beside, there]) expect(await keysOf(sharding, ctx)).toEqual([ctx.tenant.id]);
    const flight = await sharding.read(one, (tx) =>
      Promise.all(Array.from({ length: 20 }, (_, n) => tx.db.query<{ n: number }>('select $1::int as n', [n]))),
    );
    expect(flight.map(([row]) => row?.n)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it('stores the answer of an Idempotency-Key once and gives it to the repeat', async () => {
    const { sharding } = behind(narrow);
    const ctx = await newTenant();
    const post = () => {
      const idempotency = { key: 'k', route: '/test', fingerprint: Buffer.alloc(32), outcome: 'unused' as const };
      return sharding.writeOnce({ ...ctx, idempotency }, async (tx) => {
        await add(tx, 'once');
        return { made: newId() };
      });
    };
    const first = await post();
    expect(await post()).toEqual(first);
    expect(await keysOf(sharding, ctx)).toEqual(['once']);
  });

  it('keeps what follows COMMIT in its flight on the same server: the place of the write in the log', async () => {
    const { sharding, databases } = behind(narrow);
    const ctx = await newTenant();
    await waitUntil(async () => {
      await databases.shard('shard-1').poll();
      return databases.shard('shard-1').counts().replicas[0]?.inRotation === true;
    }, patienceMs);
    await db.freezeReplica();
    try {
      const consistency: Consistency = { seen: null, written: null };
      await sharding.write({ ...ctx, consistency }, (tx) => add(tx, 'mine'));
      expect(consistency.written).toMatchObject({ database: 'shard-1', lineage: expect.any(String) });
      const own = await sharding.read(
        ctx,
        async (tx) => (await tx.db.query<{ key: string }>('select key from outbox')).map(({ key }) => key),
        { from: 'replica' },
      );
      expect(own).toEqual(['mine']);
    } finally {
      await db.thawReplica();
    }
  });

  it('leaves nothing of itself to the next client of its server: no tenant, no limit of a statement', async () => {
    const { sharding } = behind(narrow);
    const ctx = await newTenant();
    await sharding.write(ctx, (tx) => add(tx, 'secret'));
    const hurried = { ...ctx, deadline: db.clock.now() + 3_000 };
    const [inside] = await sharding.read(hurried, (tx) =>
      tx.db.query<{ limit: string }>(`select current_setting('statement_timeout') as limit`),
    );
    expect(Number.parseInt(inside?.limit ?? '', 10)).toBeLessThanOrEqual(3_000);
    const url = Object.assign(new URL(db.env.SHARD_1_URL ?? ''), { port: String(narrow.port) });
    for (let n = 0; n < 10; n += 1) {
      const client = new pg.Client(url.toString());
      await client.connect();
      const { rows } = await client.query(
        `select current_setting('app.tenant_id', true) as tenant, current_setting('statement_timeout') as limit,
                (select count(*)::int from outbox) as rows`,
      );
      await client.end();
      expect({ ...rows[0], tenant: rows[0].tenant ?? '' }).toEqual({ tenant: '', limit: '15s', rows: 0 });
    }
  });

  it('gives 1,000 interleaved requests of 20 tenants on two servers’ connections each its own row, with errors, timeouts and cancelled statements between', async () => {
    const { sharding } = behind(narrow, {
      DB_POOL_MAX: '40',
      DB_ACQUIRE_TIMEOUT: '60000',
      DB_STATEMENT_TIMEOUT: '60000',
    });
    const tenants = await Promise.all(Array.from({ length: 20 }, newTenant));
    for (const ctx of tenants) await sharding.write(ctx, (tx) => add(tx, ctx.tenant.id));
    const troubles = [
      { each: 11, sql: 'select 1 / 0', code: '22012' },
      { each: 37, sql: 'select pg_cancel_backend(pg_backend_pid()), pg_sleep(5)', code: 'database.timeout' },
      { each: 61, sql: 'select pg_terminate_backend(pg_backend_pid()), pg_sleep(5)', code: 'shard.unavailable' },
      { each: 97, sql: 'select pg_sleep(5)', code: 'database.timeout', leftMs: 30 },
    ] as const;
    let most = 0;
    const watching = setInterval(async () => {
      most = Math.max(most, await backends('shard-1').catch(() => 0));
    }, 100);
    const outcomes = await Promise.all(
      Array.from({ length: 1_000 }, async (_, n) => {
        const ctx = tenants[n % tenants.length] as TenantContext;
        const trouble = troubles.find(({ each }) => n % each === 0);
        if (!trouble) return (await keysOf(sharding, ctx)).join() === ctx.tenant.id ? 'own row' : 'foreign row';
        const leftMs = 'leftMs' in trouble ? trouble.leftMs : patienceMs;
        const asked = { ...ctx, deadline: db.clock.now() + leftMs };
        const code = await codeOf(sharding.read(asked, (tx) => tx.db.query(trouble.sql)));
        return code === trouble.code ? 'its own trouble' : `${trouble.sql}: ${code}`;
      }),
    );
    clearInterval(watching);
    expect(new Set(outcomes)).toEqual(new Set(['own row', 'its own trouble']));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2);
  }, 120_000);

  it('lets system workers see the rows that are opened to them, and bulk loads run', async () => {
    const { sharding } = behind(narrow);
    const ctx = await newTenant();
    await sharding.bulk(ctx, (tx) => add(tx, 'due'));
    const results = await sharding.eachShard(db.newContext(), ({ db: relay }) =>
      relay.query<{ tenant_id: string }>(`select tenant_id from outbox where key = 'due'`),
    );
    expect(results.map(({ error }) => error)).toEqual([undefined, undefined]);
    expect(results[0]?.value?.map((row) => row.tenant_id)).toContain(ctx.tenant.id);
  });
});

describe('connections through PgBouncer, as the product sets it up', () => {
  it('[A-002] are 5,000 at most, PostgreSQL’s stay below its own limit, and without PgBouncer too many end the start', async () => {
    const compose = readFileSync(join(projectRoot(), 'docker-compose.production.yml'), 'utf8');
    const [, service = ''] = /^ {2}pgbouncer:\n((?: {4}.*\n|\n)+)/m.exec(compose) ?? [];
    expect(service).toContain("volumes: ['./deploy/pgbouncer:/etc/praxis/pgbouncer:ro']");
    expect(service).toContain('command: [/etc/praxis/pgbouncer/pgbouncer.ini]');
    expect(numberIn('pgbouncer/pgbouncer.ini', 'max_client_conn')).toBe(5_000);
    const hosts = fileOf('pgbouncer/pgbouncer.ini').match(/(?<=host=)\S+/g) ?? [];
    const onOne = Math.max(...hosts.map((host) => hosts.filter((other) => other === host).length));
    const most = onOne * numberIn('pgbouncer/pgbouncer.ini', 'max_db_connections');
    expect(most).toBeLessThanOrEqual(numberIn('postgres/large.conf', 'max_connections') - 10);
    const without = { DB_PGBOUNCER: 'false', DB_PROCESSES: '3', DB_POOL_MAX: '100' };
    const { sharding } = behind(wide, without);
    await expect(sharding.onApplicationBootstrap()).rejects.toMatchObject({
      code: 'database.over_budget',
      options: { internal: expect.stringMatching(/directory.*DB_POOL_MAX/) },
    });
    const { sharding: within } = behind(wide, { ...without, DB_PGBOUNCER: 'true' });
    await within.onApplicationBootstrap();
  });

  it('[D-105] are 200 of one instance on at most 25 of PostgreSQL', async () => {
    const { sharding } = behind(wide, { DB_POOL_MAX: '200', DB_POOL_MIN: '200', DB_ACQUIRE_TIMEOUT: '60000' });
    const ctx = await newTenant();
    let [most, working] = [0, true];
    const watching = (async () => {
      while (working) most = Math.max(most, await backends('shard-1'));
    })();
    const work = Array.from({ length: 600 }, () => sharding.read(ctx, (tx) => tx.db.query('select pg_sleep(0.05)')));
    await waitUntil(() => sharding.poolCounts()['shard-1']?.primary.total === 200, patienceMs);
    expect(sharding.poolCounts()['shard-1']?.primary.total).toBe(200);
    await Promise.all(work);
    working = false;
    await watching;
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(25);
  }, 120_000);

  it('[B-014] are accepted by the thousands: 2,000 at a time, on a few of PostgreSQL', async () => {
    const url = Object.assign(new URL(db.env.SHARD_2_URL ?? ''), { port: String(wide.port) }).toString();
    const clients: pg.Client[] = [];
    for (let made = 0; made < 2_000; made += 100) {
      const batch = Array.from({ length: 100 }, () => new pg.Client(url));
      await Promise.all(batch.map((client) => client.connect()));
      clients.push(...batch);
    }
    const answers = await Promise.all(clients.map((client) => client.query('select 1 as one')));
    expect(answers.every(({ rows }) => rows[0].one === 1)).toBe(true);
    expect(await backends('shard-2')).toBeLessThanOrEqual(25);
    for (const profile of ['small', 'large'])
      expect(numberIn(`postgres/${profile}.conf`, 'max_connections')).toBeLessThanOrEqual(1_000);
    await Promise.all(clients.map((client) => client.end()));
  }, 120_000);
});
