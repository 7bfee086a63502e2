import { parseConfig } from '#infra/config';
import { newId, type TenantId } from '#infra/kernel';
import { databaseConfig } from '#infra/replicas';
import { openTestDatabases, type TestDatabases, testCluster } from '#infra/testing';
import { assertConnectionBudget } from './connection-budget.js';
import { Databases } from './databases.js';
import { shardingConfig } from './sharding.config.js';

const third = `shard_3_${newId().replaceAll('-', '').slice(-12)}`;
const tenantsMade = 300;
const atOnce = 10;
let db: TestDatabases;

beforeAll(async () => {
  const { host, port } = testCluster().servers[1] ?? { host: '', port: 0 };
  const url = `postgres://praxis_app:app-for-tests@${host}:${port}/${third}`;
  db = await openTestDatabases({ env: { SHARD_3_URL: url, DB_POOL_MAX: '20' } });
  await db.asAdmin('shard-2', `create database ${third} template template_shard owner praxis_owner`);
  await db.asAdmin('directory', `insert into shard (id) values ('shard-3') on conflict do nothing`);
});
afterAll(async () => {
  await db?.databases.end();
  await db?.asAdmin('shard-2', `drop database if exists ${third} with (force)`);
});

const create = async (): Promise<TenantId> => {
  const slug = `t-${newId().slice(-12)}`;
  return (await db.sharding.tenants.create({ slug, name: slug, plan: 'BASIC' })).id;
};

describe('three shards', () => {
  it('[A-016] share 300 new tenants evenly, and each is served by its own shard alone', async () => {
    const ids: TenantId[] = [];
    while (ids.length < tenantsMade) ids.push(...(await Promise.all(Array.from({ length: atOnce }, create))));
    const entries = await Promise.all(ids.map((id) => db.sharding.tenants.byId(id)));
    const counts = [...Map.groupBy(entries, ({ shardId }) => shardId).values()].map((there) => there.length);
    expect(counts).toHaveLength(3);
    expect(Math.max(...counts) / (tenantsMade / 3)).toBeLessThanOrEqual(1.2);
    for (const { id, plan, shardId } of entries.slice(0, 9)) {
      const ctx = { ...db.newContext(), tenant: { id, plan } };
      expect(await db.sharding.read(ctx, async () => 'served')).toBe('served');
      const wrong = shardId === 'shard-1' ? 'shard-2' : 'shard-1';
      await db.asAdmin('directory', 'update tenant set shard_id = $2 where id = $1', [id, wrong]);
      await db.sharding.tenants.reload(id);
      let rows: unknown[] = [];
      const read = db.sharding.read(ctx, async (tx) => {
        rows = await tx.db.query('select * from outbox');
      });
      await expect(read).rejects.toMatchObject({ code: 'tenant.moving' });
      expect(rows).toEqual([]);
    }
  });
});

describe('the connections of all processes together', () => {
  it('may be as many as their servers take, or as PgBouncer lets through, and no more', async () => {
    const demands = db.databases.demands();
    const names = demands.map(({ databases }) => databases.toSorted());
    expect(names).toEqual(expect.arrayContaining([['directory', 'shard-1'], ['shard-1'], ['shard-2', 'shard-3']]));
    const check = (processes: number, pgbouncer = false) => assertConnectionBudget(demands, { processes, pgbouncer });
    const most = Math.max(...demands.map(({ connections }) => connections));
    const [row] = await db.asAdmin<{ most: number }>(
      'shard-1',
      `select current_setting('max_connections')::int as most`,
    );
    const fitting = Math.floor(((row?.most ?? 0) - 10) / most);
    await expect(check(fitting)).resolves.toBeUndefined();
    await expect(check(fitting + 1)).rejects.toMatchObject({ code: 'database.over_budget', kind: 'internal' });
    await expect(check(5_000, true)).resolves.toBeUndefined();
  });

  it.each([
    ['false', 'database.over_budget'],
    ['true', 'fits'],
  ])('[A-011] of DB_POOL_MAX=5000 with DB_PGBOUNCER=%s: %s', async (pgbouncer, outcome) => {
    const env = { ...db.env, DB_POOL_MAX: '5000', DB_PGBOUNCER: pgbouncer };
    const config = parseConfig({ sharding: shardingConfig, database: databaseConfig }, env);
    const databases = new Databases({ ...config, applicationName: 'x', clock: db.clock, onIdleError: () => undefined });
    const heard = await assertConnectionBudget(databases.demands(), databases.budget).then(
      () => 'fits',
      (error: { code?: string }) => error.code,
    );
    await databases.end();
    expect(heard).toBe(outcome);
  });
});
