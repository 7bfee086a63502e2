import { parseConfig } from '#infra/config';
import { TenantCrypto } from '#infra/crypto';
import { newId, type TenantContext } from '#infra/kernel';
import { databaseConfig, WritePositions } from '#infra/replicas';
import { createLog, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { Databases } from './databases.js';
import { DirectoryKeys } from './directory-keys.js';
import { shardingConfig } from './sharding.config.js';
import { Sharding } from './sharding.js';
import { DatabaseMetrics } from './sharding.metrics.js';
import { Tenants } from './tenants.js';

const patienceMs = 20_000;
/** A busy machine makes connections slowly; nothing here is about that. */
const unhurried = { DB_ACQUIRE_TIMEOUT: '20000', DB_CREATE_TIMEOUT: '20000' };
const identity = { app: 'api', version: '0' };
let db: TestDatabases;
const opened: Databases[] = [];
beforeAll(async () => {
  db = await openTestDatabases({ env: unhurried });
}, 120_000);
afterAll(async () => {
  await Promise.all(opened.map((one) => one.end()));
  await db?.close();
});

/** What a process builds from its environment, with its metrics. */
function start(env: Readonly<Record<string, string>> = {}) {
  const config = parseConfig(
    { sharding: shardingConfig, database: databaseConfig },
    { ...db.env, ...unhurried, ...env },
  );
  const { clock, rootKey, redis } = db;
  const databases = new Databases({ ...config, applicationName: 'process', clock, onIdleError: () => undefined });
  opened.push(databases);
  const metrics = new Metrics({
    config: { monitoring: true, service: 'praxis' },
    identity,
    log: createLog({ level: 'silent', service: 'praxis' }, identity),
  });
  const sharding = new Sharding({
    databases,
    tenants: new Tenants(databases, clock),
    positions: new WritePositions(redis),
    crypto: new TenantCrypto(rootKey, new DirectoryKeys(databases), clock),
    clock,
    statementTimeoutMs: config.database.statementTimeoutMs,
    metrics: new DatabaseMetrics(metrics, databases),
  });
  /** The value of one series; 0 where there is none yet. */
  const series = async (name: string, labels: string): Promise<number> => {
    const lines = (await metrics.expose()).body.split('\n');
    return Number(lines.find((line) => line.startsWith(`${name}{${labels}}`))?.split(' ')[1] ?? 0);
  };
  return { databases, sharding, series };
}

const asSomeone = (ctx: TenantContext): TenantContext => ({ ...ctx, actor: { kind: 'system', name: newId() } });
const inRecovery = (sharding: Sharding, ctx: TenantContext, from?: 'replica') =>
  sharding.read(
    asSomeone(ctx),
    async (tx) => (await tx.db.query<{ replica: boolean }>('select pg_is_in_recovery() as replica'))[0]?.replica,
    from ? { from } : {},
  );
const answererOf = (sharding: Sharding, ctx: TenantContext) =>
  sharding.read(
    asSomeone(ctx),
    async (tx) => (await tx.db.query<{ name: string }>(`select current_setting('application_name') as name`))[0]?.name,
    { from: 'replica' },
  );
const untilInRotation = (databases: Databases) =>
  waitUntil(async () => {
    await databases.shard('shard-1').poll();
    return databases
      .shard('shard-1')
      .counts()
      .replicas.every(({ inRotation }) => inRotation);
  }, patienceMs);

describe('the replicas of a shard', () => {
  it('[A-017, B-081, E-061] are none or several, and answer what asks for one; everything else goes to the primary', async () => {
    const url = new URL(db.env.SHARD_1_REPLICAS ?? '');
    const named = ['first', 'second'].map((name) => {
      url.searchParams.set('application_name', name);
      return url.href;
    });
    const { databases, sharding } = start({ SHARD_1_REPLICAS: named.join(), DB_REPLICA_BALANCING: 'round-robin' });
    expect(['shard-1', 'shard-2'].map((id) => databases.shard(id).replicas.length)).toEqual([2, 0]);
    expect(await untilInRotation(databases)).toBe(true);
    const [with2, without] = [await db.newTenant({ shardId: 'shard-1' }), await db.newTenant({ shardId: 'shard-2' })];
    const answerers = new Set<string | undefined>();
    // A read that a busy machine keeps from a replica is answered by the primary; it is asked for until both have answered.
    const bothAnswered = await waitUntil(async () => {
      await databases.shard('shard-1').poll();
      answerers.add(await answererOf(sharding, with2));
      return ['first', 'second'].every((name) => answerers.has(name));
    }, patienceMs);
    expect(bothAnswered).toBe(true);
    for (const ctx of [with2, without]) expect(await inRecovery(sharding, ctx)).toBe(false);
    expect(await inRecovery(sharding, without, 'replica')).toBe(false);
  });

  it('do not stop the start when they refuse connections, and cost no read', async () => {
    const { sharding } = start({
      SHARD_1_REPLICAS: 'postgres://praxis_ro:x@127.0.0.1:1/x,postgres://praxis_ro:x@127.0.0.1:2/x',
    });
    await sharding.onApplicationBootstrap();
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    for (let n = 0; n < 20; n += 1) expect(await inRecovery(sharding, ctx, 'replica')).toBe(false);
    const opens = () => sharding.nodes.map(({ role, breaker }) => `${role} ${breaker}`);
    expect(await waitUntil(async () => opens().includes('replica-2 open'), patienceMs)).toBe(true);
    expect(await inRecovery(sharding, ctx, 'replica')).toBe(false);
  });

  it('[C-143] are read by a role that can write nowhere, not even on the primary', async () => {
    const insert = `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
                    values ($1, $1, 'fact', 'x', 'x', '{}', 'r', '2026-01-01', '2026-01-01')`;
    const { tenant } = await db.newTenant({ shardId: 'shard-1' });
    await expect(db.asReadOnly('shard-1', insert, [tenant.id])).rejects.toMatchObject({ code: '42501' });
    const granted = await db.asAdmin<{ name: string }>(
      'shard-1',
      `select c.relname as name from pg_class c where c.relkind in ('r', 'p', 'v') and c.relnamespace = 'public'::regnamespace
         and has_table_privilege('praxis_ro', c.oid, 'insert, update, delete, truncate')`,
    );
    expect(granted).toEqual([]);
  });
});

describe('the metrics of pools', () => {
  it('[E-058, D-024] count the connections of a primary and of its replica apart', async () => {
    const { databases, series } = start();
    const { primary, replicas } = databases.shard('shard-1');
    const active = () =>
      Promise.all(
        ['primary', 'replica-1'].map((role) =>
          series('db_pool_connections', `shard="shard-1",role="${role}",state="active"`),
        ),
      );
    expect(await active()).toEqual([0, 0]);
    const onReplica = await replicas[0]?.connect();
    expect(await active()).toEqual([0, 1]);
    const onPrimary = [await primary.connect(), await primary.connect()];
    expect(await active()).toEqual([2, 1]);
    onReplica?.release();
    expect(await active()).toEqual([2, 0]);
    for (const client of onPrimary) client.release();
    expect(await active()).toEqual([0, 0]);
  });

  it('[E-007] say how many there are, how many came, and why each one went', async () => {
    const { databases, series } = start({ DB_POOL_MAX: '3', DB_IDLE_TIMEOUT: '1000' });
    const { primary } = databases.shard('shard-2');
    const of = (name: string, more = '') => series(name, `shard="shard-2",role="primary"${more}`);
    const clients = await Promise.all([primary.connect(), primary.connect(), primary.connect()]);
    expect(await of('db_pool_opened_total')).toBe(3);
    expect(await of('db_pool_connections', ',state="active"')).toBe(3);
    const [first, ...others] = clients;
    first?.release(true);
    for (const client of others) client.release();
    expect(await waitUntil(async () => (await of('db_pool_closed_total', ',reason="broken"')) === 1, patienceMs)).toBe(
      true,
    );
    expect(await of('db_pool_connections', ',state="idle"')).toBe(2);
    expect(await waitUntil(async () => (await of('db_pool_closed_total', ',reason="idle"')) === 2, patienceMs)).toBe(
      true,
    );
    expect(await of('db_pool_connections', ',state="idle"')).toBe(0);
  });

  it('[C-009] time every wait for a connection', async () => {
    const { databases, series } = start({ DB_POOL_MAX: '1', DB_ACQUIRE_TIMEOUT: '20000' });
    const { primary } = databases.shard('shard-2');
    const upTo = (le: string) => series('db_pool_acquire_seconds_bucket', `le="${le}",shard="shard-2",role="primary"`);
    const count = () => series('db_pool_acquire_seconds_count', 'shard="shard-2",role="primary"');
    const holder = await primary.connect();
    const waiting = primary.connect();
    await new Promise((resolve) => setTimeout(resolve, 110));
    holder.release();
    (await waiting).release();
    expect([await count(), (await upTo('+Inf')) - (await upTo('0.1'))]).toEqual([2, 1]);
    for (let n = 0; n < 48; n += 1) (await primary.connect()).release();
    expect(await count()).toBe(50);
  });

  it('[D-076] time a statement until its answer is there', async () => {
    const { databases, sharding } = start();
    const ctx = await db.newTenant({ shardId: 'shard-2' });
    const spent = () => {
      const { queryCount, averageQueryTime } = databases.shard('shard-2').primary.queries();
      return queryCount * (averageQueryTime ?? 0);
    };
    const before = spent();
    await sharding.read(ctx, (tx) => tx.db.query('select pg_sleep(0.05)'));
    expect(spent() - before).toBeGreaterThanOrEqual(50);
  });
});

describe('names of statements', () => {
  it('[D-075] are given to a thousand texts at most; what comes later runs without one', async () => {
    const { sharding } = start({ DB_POOL_MAX: '1' });
    const ctx = await db.newTenant({ shardId: 'shard-2' });
    const ask = (n: number) => (tx: { db: { query<Row>(sql: string, values: unknown[]): Promise<Row[]> } }) =>
      tx.db.query<{ n: number }>(`select $1::int + ${n} as n`, [0]);
    for (let n = 0; n < 1_200; n += 100) {
      const answers = await sharding.read(ctx, (tx) =>
        Promise.all(Array.from({ length: 100 }, (_, k) => ask(n + k)(tx))),
      );
      expect(answers.map(([row]) => row?.n)).toEqual(Array.from({ length: 100 }, (_, k) => n + k));
    }
    const [named] = await sharding.read(ctx, (tx) =>
      tx.db.query<{ count: number }>('select count(*)::int as count from pg_prepared_statements'),
    );
    expect(named?.count).toBeGreaterThan(900);
    expect(named?.count).toBeLessThanOrEqual(1_000);
  });
});
