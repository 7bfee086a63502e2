import { openTestDatabases, type TestDatabases } from '#infra/testing';

/** The only tables that are not a tenant's: the map that routes to tenants, and the migrator's own notes. */
const platformTables: Readonly<Record<string, readonly string[]>> = {
  directory: ['migrations', 'schema_version', 'shard', 'tenant'],
  'shard-1': ['migrations'],
};

interface TableRow {
  readonly name: string;
  readonly secured: boolean;
  readonly forced: boolean;
  readonly owner: string;
  readonly policies: string[];
}

let db: TestDatabases;
beforeAll(async () => {
  db = await openTestDatabases();
});
afterAll(() => db?.close());

const tables = (database: string): Promise<TableRow[]> =>
  db.asAdmin<TableRow>(
    database,
    `select c.relname as name, c.relrowsecurity as secured, c.relforcerowsecurity as forced, pg_get_userbyid(c.relowner) as owner,
            array(select p.polname::text from pg_policy p where p.polrelid = c.oid
                   and pg_get_expr(p.polqual, c.oid) like '%tenant_id%' and pg_get_expr(p.polwithcheck, c.oid) like '%tenant_id%') as policies
       from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`,
  );
const tenantTables = async (database: string): Promise<TableRow[]> =>
  (await tables(database)).filter(({ name }) => !platformTables[database]?.includes(name));

describe.each(['directory', 'shard-1'])('tables of the %s', (database) => {
  it('belong to praxis_owner and, all but the named few, are a tenant’s with forced row-level security', async () => {
    const all = await tables(database);
    expect(all.filter((t) => t.owner !== 'praxis_owner')).toEqual([]);
    const unguarded = (await tenantTables(database)).filter((t) => !t.secured || !t.forced || t.policies.length === 0);
    expect(unguarded).toEqual([]);
    expect(all.length).toBeGreaterThan(4);
  });

  it('show no row of a tenant table to the application’s role where no tenant is entered', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await db.crypto.seal(ctx.tenant.id, { table: 't', rowId: 'r', group: 'g' }, Buffer.from('x'));
    const readable: string[] = [];
    for (const { name } of await tenantTables(database)) {
      const [count] = await db.asApp<{ n: string }>(database, `select count(*) as n from ${name}`);
      if (count?.n !== '0') readable.push(name);
    }
    expect(readable).toEqual([]);
    const filled = database === 'directory' ? 'tenant_key' : 'tenant_fence';
    const [truth] = await db.asAdmin<{ n: string }>(database, `select count(*) as n from ${filled}`);
    expect(Number(truth?.n)).toBeGreaterThan(0);
  });

  it('name the tenant first in every key and index of a tenant table, but for the relay’s own', async () => {
    const relayIndexes = ['outbox_job_due', 'outbox_job_done', 'idempotency_key_expiry'];
    const rows = await db.asAdmin<{ name: string; table: string; first: string }>(
      database,
      `select i.relname as name, t.relname as table, a.attname as first
         from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
         join pg_attribute a on a.attrelid = t.oid and a.attnum = x.indkey[0]
        where t.relnamespace = 'public'::regnamespace and not t.relispartition`,
    );
    const tenants = new Set((await tenantTables(database)).map((t) => t.name));
    const wrong = rows.filter(
      (r) =>
        tenants.has(r.table) &&
        r.first !== 'tenant_id' &&
        !relayIndexes.includes(r.name) &&
        !r.name.endsWith('_expiry'),
    );
    expect(wrong).toEqual([]);
  });

  it('give the application no way to change or remove what the audit holds', async () => {
    for (const table of ['audit_event', 'audit_subject'])
      for (const statement of [`update ${table} set id = id`, `delete from ${table}`, `truncate ${table}`])
        await expect(db.asApp(database, statement)).rejects.toMatchObject({ code: '42501' });
    await expect(db.asAdmin(database, 'truncate audit_event')).rejects.toThrow('append-only');
  });

  it('let no login become the owner', async () => {
    for (const statement of ['set role praxis_owner', 'set row_security = off; select * from outbox'])
      await expect(db.asApp(database, statement)).rejects.toMatchObject({ code: '42501' });
  });

  it('refuse every write of the read-only role', async () => {
    await expect(
      db.asReadOnly(database, `insert into outbox (tenant_id, id) values (gen_random_uuid(), gen_random_uuid())`),
    ).rejects.toMatchObject({ code: '42501' });
    const grants = await db.asAdmin(
      database,
      `select 1 from information_schema.role_table_grants where grantee = 'praxis_ro' and privilege_type <> 'SELECT'`,
    );
    expect(grants).toEqual([]);
  });
});
