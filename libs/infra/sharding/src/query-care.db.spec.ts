import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { newId, type TenantContext } from '#infra/kernel';
import {
  coordinatesOf,
  LocalCluster,
  openTestDatabases,
  projectRoot,
  type TestDatabases,
  waitUntil,
} from '#infra/testing';
import { type HotQuery, plansOf } from './query-plans.js';

const name = 'Zebulon Quirkheim';
const slug = 'zebulon-quirkheim';
let cluster: LocalCluster;
let db: TestDatabases;
let ctx: TenantContext;
let neighbour: TenantContext;

/** What every server of the product is started with, but for what this machine has no room for. */
const common = Object.fromEntries(
  readFileSync(join(projectRoot(), 'deploy/postgres/common.conf'), 'utf8')
    .split('\n')
    .filter((line) => /^[a-z_.]+ *=/.test(line))
    .map((line) => {
      const [setting = '', value = ''] = line.split(/ *= */, 2);
      return [setting, value.replaceAll(/^'|'$/g, '')] as const;
    }),
);

beforeAll(async () => {
  cluster = await LocalCluster.startTemporary({
    servers: 2,
    replica: true,
    redis: true,
    durable: false,
    postgres: common,
  });
  db = await openTestDatabases({ cluster: coordinatesOf(cluster) });
  [ctx, neighbour] = [await db.newTenant({ shardId: 'shard-1' }), await db.newTenant({ shardId: 'shard-1' })];
  for (const each of [ctx, neighbour]) {
    await db.audit.recordRead(each, { action: 'test.read', resourceType: 'test', subjectIds: [newId()] }, 'shard');
    await db.sharding.write(each, (tx) =>
      tx.db.query(
        `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
         values ($1, $2, 'job', 'n', 'k', '{}', 'r', to_timestamp(0), to_timestamp(0))`,
        [tx.tenant.id, newId()],
      ),
    );
  }
}, 60_000);
afterAll(async () => {
  await db?.close();
  await cluster?.stop();
});

const log = () => cluster.servers.map(({ dataDir }) => readFileSync(`${dataDir}.log`, 'utf8')).join('\n');

describe('the log of a server with the settings of production', () => {
  it('[C-011] names a statement that took more than 200 ms by text, fingerprint, duration and shard, and no value', async () => {
    const slow = 'select pg_sleep(0.25), $1::text as wanted';
    await db.sharding.read(ctx, (tx) => tx.db.query(slow, [name]));
    const tenant = { slug, name, plan: 'BASIC' } as const;
    await db.sharding.tenants.create(tenant);
    await expect(db.sharding.tenants.create(tenant)).rejects.toMatchObject({ code: 'tenant.slug_taken' });
    expect(await waitUntil(() => log().includes(slow), 5_000)).toBe(true);
    const line = log()
      .split('\n')
      .find((each) => each.includes(slow) && each.includes('duration:'));
    expect(line).toMatch(/test:primary:shard-1 -?\d+ LOG: {2}duration: 2\d\d\.\d+ ms/);
    const { data } = await db.sharding.slowStatements('max');
    const [counted] = data.find(({ id }) => id === 'shard-1')?.value ?? [];
    expect(counted).toMatchObject({ text: slow.replace('0.25', '$2'), calls: 1 });
    expect(line).toContain(` ${counted?.fingerprint} LOG:`);
    expect(log()).toContain('duplicate key value violates unique constraint "tenant_slug_key"');
    expect(log()).not.toMatch(/zebulon|quirkheim/i);
  });
});

describe('the plan of a hot query', () => {
  const query: HotQuery = {
    name: 'outbox.of_key',
    place: 'shard',
    pick: 'select id from outbox where tenant_id = $1 limit 1',
    run: (tx, id: string) =>
      tx.db.query('select name from outbox where tenant_id = $1 and id = $2 and key <> $3', [tx.tenant.id, id, name]),
  };

  it('is the application’s own within the tenant, with $1 for every value', async () => {
    const [plan = []] = await plansOf(db.sharding, ctx, query);
    expect(plan.join('\n')).toMatch(/outbox_pkey[\s\S]*Index Cond: \(\(tenant_id = \$1\) AND \(id = \$2\)\)/);
    expect(plan.join('\n')).toContain(`current_setting('app.tenant_id'`);
    expect(plan.join('\n')).not.toContain(name);
    expect(plan.join('\n')).not.toContain(ctx.tenant.id);
  });

  it('says what running it took when asked, and changes nothing', async () => {
    const [plan = []] = await plansOf(db.sharding, ctx, query, { analyze: true });
    expect(plan.join('\n')).toMatch(/actual .*rows=1[\s\S]*Execution Time: [\d.]+ ms/);
    const writing: HotQuery = {
      ...query,
      run: (tx) => tx.db.query('delete from outbox where tenant_id = $1', [tx.tenant.id]),
    };
    await expect(plansOf(db.sharding, ctx, writing, { analyze: true })).rejects.toMatchObject({ code: '25006' });
    expect(log()).not.toContain(name);
  });
});

describe('the read-only role', () => {
  let client: pg.Client;
  let tables: string[];

  /** On the primary: no standby refuses anything for it here. */
  beforeAll(async () => {
    const url = new URL(db.env.SHARD_1_URL ?? '');
    [url.username, url.password] = ['praxis_ro', new URL(db.env.SHARD_1_REPLICAS ?? '').password];
    client = new pg.Client(url.toString());
    await client.connect();
    const rows = await db.asAdmin<{ name: string }>(
      'shard-1',
      `select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1`,
    );
    tables = rows.map((row) => row.name);
  });
  afterAll(() => client?.end());

  const tenantsSeen = async (): Promise<Set<string>> => {
    const seen = new Set<string>();
    for (const table of tables)
      for (const row of (await client.query(`select distinct tenant_id as id from ${table}`)).rows) seen.add(row.id);
    return seen;
  };

  it('reads what its tenant has and nothing else, in every table, and nothing at all before it has entered one', async () => {
    expect(tables.length).toBeGreaterThan(25);
    expect(await tenantsSeen()).toEqual(new Set());
    for (const { tenant } of [ctx, neighbour]) {
      await client.query('begin');
      await client.query('select enter_tenant($1, 1)', [tenant.id]);
      expect(await tenantsSeen()).toEqual(new Set([tenant.id]));
      await client.query('commit');
    }
    expect(await tenantsSeen()).toEqual(new Set());
  });

  it('[C-143] writes nothing, not even on the primary and within its own tenant', async () => {
    for (const table of tables)
      for (const statement of [
        `insert into ${table} (tenant_id) values ('${ctx.tenant.id}')`,
        `update ${table} set tenant_id = tenant_id`,
        `delete from ${table}`,
        `truncate ${table}`,
        `lock table ${table} in exclusive mode`,
      ]) {
        await client.query('begin read write');
        await client.query('select enter_tenant($1, 1)', [ctx.tenant.id]);
        await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
        await client.query('rollback');
      }
    await expect(client.query('create table mine ()')).rejects.toMatchObject({ code: '42501' });
    await expect(client.query('create temp table mine ()')).rejects.toMatchObject({ code: '42501' });
  }, 60_000);
});
