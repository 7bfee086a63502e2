import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig, Secret } from '#infra/config';
import { newId, type TenantId, toDate } from '#infra/kernel';
import { databaseConfig } from '#infra/replicas';
import { openTestDatabases, projectRoot, type TestDatabases, testCluster, waitUntil } from '#infra/testing';
import { moverOf } from '../test/moving.js';
import { assertConnectionBudget } from './connection-budget.js';
import { Databases } from './databases.js';
import { measureShardLoad, moveTenant, rebalancePlan } from './index.js';
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
  it('[A-016, C-082, D-098] share 300 new tenants evenly, and each is served by its own shard alone', async () => {
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

/** As the directory would know it from the last minutes. */
const measured = (loads: Readonly<Record<string, number>>) =>
  db.asAdmin(
    'directory',
    `insert into shard_load (shard_id, commits, bytes, tx_per_s, measured_at)
     select id, 0, 1000, rate, $3 from unnest($1::text[], $2::float8[]) as m (id, rate)
     on conflict (shard_id) do update set tx_per_s = excluded.tx_per_s, bytes = excluded.bytes`,
    [Object.keys(loads), Object.values(loads), toDate(db.clock.now())],
  );
const placed = async (region?: string): Promise<string> => {
  const slug = `t-${newId().slice(-12)}`;
  const where = region === undefined ? {} : { region };
  return (await db.sharding.tenants.create({ slug, name: slug, plan: 'BASIC', ...where })).shardId;
};

describe('the load of shards', () => {
  const loads = () =>
    db.asAdmin<{ id: string; bytes: number; rate: number | null }>(
      'directory',
      `select shard_id as id, bytes::float8 as bytes, tx_per_s as rate from shard_load order by shard_id`,
    );

  it('is measured on every shard: its size, and its commits between two measurements', async () => {
    const startedAt = db.clock.now();
    expect(await measureShardLoad(db.sharding, db.newContext(), startedAt)).toBe(3);
    expect((await loads()).map(({ id, rate }) => [id, rate])).toEqual([1, 2, 3].map((n) => [`shard-${n}`, null]));
    expect((await loads()).every(({ bytes }) => bytes > 1_000_000)).toBe(true);
    const ctx = await db.newTenant({ shardId: 'shard-2' });
    for (let n = 0; n < 200; n += 1) await db.sharding.write(ctx, async () => undefined);
    // PostgreSQL's processes tell their counts within a second, or when they end.
    let minutes = 0;
    const counted = async () => {
      minutes += 1;
      await measureShardLoad(db.sharding, db.newContext(), startedAt + minutes * 60_000);
      const rates = new Map((await loads()).map(({ id, rate }) => [id, rate ?? 0]));
      return (rates.get('shard-2') ?? 0) > 1 && (rates.get('shard-3') ?? 9) < 1;
    };
    await db.asAdmin('directory', 'update shard_load set measured_at = $1', [toDate(startedAt)]);
    expect(await waitUntil(counted, 15_000)).toBe(true);
  });

  it('keeps what was known of a shard whose count begins anew or that is away', async () => {
    await measured({ 'shard-1': 70, 'shard-2': 5, 'shard-3': 5 });
    await db.asAdmin('directory', `update shard_load set commits = 9000000000, measured_at = $1`, [toDate(0)]);
    const asked = db.databases.relay.bind(db.databases);
    const away = jest.spyOn(db.databases, 'relay').mockImplementation((name) => {
      if (name === 'shard-3') throw new Error('connection refused');
      return asked(name);
    });
    expect(await measureShardLoad(db.sharding, db.newContext(), db.clock.now())).toBe(2);
    away.mockRestore();
    expect((await loads()).map(({ id, rate }) => [id, rate])).toEqual([
      ['shard-1', 70],
      ['shard-2', 5],
      ['shard-3', 5],
    ]);
  });

  it('keeps new tenants off the busiest shard, though it has as many tenants as the others', async () => {
    await measured({ 'shard-1': 500, 'shard-2': 5, 'shard-3': 5 });
    const places = await Promise.all(Array.from({ length: 20 }, () => placed()));
    expect(places).not.toContain('shard-1');
    expect(new Set(places)).toEqual(new Set(['shard-2', 'shard-3']));
  });
});

describe('a region', () => {
  beforeAll(async () => {
    await measured({ 'shard-1': 5, 'shard-2': 5, 'shard-3': 900 });
    await db.asAdmin('directory', `update shard set region = case id when 'shard-3' then 'eu' else 'us' end`);
  });

  it('[D-006, D-096] is where a tenant is placed, moved and kept: one of the EU never lives on a shard of the US', async () => {
    expect(readFileSync(join(projectRoot(), 'docs/multi-region.md'), 'utf8')).toContain('--region');
    const places = await Promise.all(Array.from({ length: 12 }, (_, n) => placed(n % 2 === 0 ? 'eu' : 'us')));
    expect(places.filter((_, n) => n % 2 === 0)).toEqual(Array.from({ length: 6 }, () => 'shard-3'));
    expect(places.filter((_, n) => n % 2 === 1)).not.toContain('shard-3');
    const slug = `t-${newId().slice(-12)}`;
    const european = await db.sharding.tenants.create({ slug, name: slug, plan: 'BASIC', region: 'eu' });
    const [row] = await db.asAdmin('directory', 'select region from tenant where id = $1', [european.id]);
    expect(row).toEqual({ region: 'eu' });
    const url = (name: string) => new Secret(db.env[name] ?? '');
    const shards = [1, 2, 3].map((n) => ({ name: `shard-${n}`, url: url(`SHARD_${n}_URL`), replicas: [] }));
    for (const shardId of ['shard-1', 'shard-2'])
      await expect(moveTenant(moverOf(db, { shards }), { tenant: slug, shardId })).rejects.toMatchObject({
        code: 'move.refused',
        message: expect.stringContaining('another region'),
      });
    const { moves } = await rebalancePlan(moverOf(db, { shards }));
    expect(moves.filter(({ from, to }) => (from === 'shard-3') !== (to === 'shard-3'))).toEqual([]);
  });

  it('with no active shard takes no tenant, and none is named where it has not', async () => {
    const tenants = async () =>
      (await db.asAdmin<{ n: string }>('directory', 'select count(*) as n from tenant'))[0]?.n;
    const before = await tenants();
    await expect(placed('mars')).rejects.toMatchObject({ code: 'shard.unavailable' });
    const slug = `t-${newId().slice(-12)}`;
    const wrong = { slug, name: slug, plan: 'BASIC', region: 'eu', shardId: 'shard-1' } as const;
    await expect(db.sharding.tenants.create(wrong)).rejects.toMatchObject({ code: 'tenant.region_mismatch' });
    expect(await tenants()).toBe(before);
    const ctx = await db.newTenant({ shardId: 'shard-2' });
    const [row] = await db.asAdmin('directory', 'select region from tenant where id = $1', [ctx.tenant.id]);
    expect(row).toEqual({ region: 'us' });
  });
});

describe('members in great number', () => {
  it('[B-082] more than 100,000 of one tenant on a busy shard bring a suggestion into the plan; 100,000 do not', async () => {
    await db.asAdmin('directory', `update shard set region = 'default'`);
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    const add = (from: number, to: number) =>
      db.asAdmin(
        'shard-1',
        `insert into member (tenant_id, id, member_no, status, identity, created_by, created_at, updated_at)
         select $1, gen_random_uuid(), lpad(n::text, 9, '0'), 'active', '\\x00', 'test', to_timestamp(0), to_timestamp(0)
           from generate_series($2::int, $3::int) n`,
        [ctx.tenant.id, from, to],
      );
    const url = (name: string) => new Secret(db.env[name] ?? '');
    const shards = [1, 2, 3].map((n) => ({ name: `shard-${n}`, url: url(`SHARD_${n}_URL`), replicas: [] }));
    const { slug } = await db.sharding.tenants.byId(ctx.tenant.id);
    const advice = async () =>
      (await rebalancePlan(moverOf(db, { shards }), { table: 'member', rowsMax: 100_000 })).crowded;
    await measured({ 'shard-1': 500, 'shard-2': 5, 'shard-3': 5 });
    await add(1, 100_000);
    expect(await advice()).toEqual([]);
    await add(100_001, 100_001);
    expect(await advice()).toEqual([
      { tenant: slug, shardId: 'shard-1', rows: 100_001, to: expect.stringMatching(/^shard-[23]$/) },
    ]);
    await measured({ 'shard-1': 0, 'shard-2': 5_000, 'shard-3': 5_000 });
    await db.asAdmin('directory', `update shard set weight = 1000 where id = 'shard-1'`);
    expect(await advice()).toEqual([]);
  }, 60_000);
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
  ])('[A-011, D-026] of DB_POOL_MAX=5000 with DB_PGBOUNCER=%s: %s', async (pgbouncer, outcome) => {
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
