import { openTestDatabases, type TestDatabases } from '#infra/testing';

/** The only tables that are not a tenant's: the map that routes to tenants, and the migrator's own notes. */
const platformTables: Readonly<Record<string, readonly string[]>> = {
  directory: ['migrations', 'running_build', 'schema_version', 'shard', 'shard_load', 'tenant', 'tenant_move'],
  'shard-1': ['migrations', 'replica_heartbeat'],
};

/** What system workers may do, past all tenants. */
const relayGrants: Readonly<Record<string, readonly string[]>> = {
  directory: [
    'idempotency_key: delete select',
    'invitation: delete select',
    'login_attempt: delete select',
    'migrations: select',
    'outbox: delete select update',
    'password_reset: delete select',
    'running_build: delete insert select update',
    'schema_version: select',
    'shard: insert select update',
    'shard_load: insert select update',
    'tenant: insert select update',
    'user_session: delete select',
  ],
  'shard-1': [
    'fact_sequence: insert select update',
    'idempotency_key: delete select',
    'migrations: select',
    'outbox: delete select update',
    'recon_statement: delete select',
    'recon_upload_part: delete select',
    'tenant_fence: delete insert select update',
  ],
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
    const relayIndexes = [
      'outbox_job_due',
      'outbox_job_done',
      'outbox_job_dead',
      'outbox_fact_new',
      'outbox_fact_published',
      'idempotency_key_expiry',
    ];
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

  it('refuse to change or empty a partition of the audit, to the owner too, and show none to the application', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    const place = database === 'directory' ? 'directory' : 'shard';
    await db.audit.recordRead(ctx, { action: 'test.read', resourceType: 'test', subjectIds: [ctx.tenant.id] }, place);
    const partitions = await db.asAdmin<{ name: string; open: boolean }>(
      database,
      `select c.relname as name, bool_or(has_table_privilege(r, c.oid, 'select, insert, update, delete, truncate')) as open
         from pg_class c, unnest(array['praxis_app', 'praxis_ro', 'praxis_relay']) r
        where c.relispartition and c.relkind = 'r' group by 1`,
    );
    expect(partitions.length).toBeGreaterThan(50);
    expect(partitions.filter(({ open }) => open)).toEqual([]);
    for (const { name } of partitions)
      await expect(db.asAdmin(database, `truncate ${name}`)).rejects.toThrow('append-only');
    for (const table of ['audit_event', 'audit_subject']) {
      const [row] = await db.asAdmin<{ part: string }>(
        database,
        `select tableoid::regclass::text as part from ${table}`,
      );
      for (const statement of [`update ${row?.part} set id = id`, `delete from ${row?.part}`])
        await expect(db.asAdmin(database, statement)).rejects.toThrow('append-only');
    }
  });

  it('have no other way in: one policy for tenants, one for the relay, no function or view with its owner’s rights', async () => {
    const policies = await db.asAdmin<{ name: string }>(
      database,
      `select distinct concat_ws(' ', polname, polpermissive, polcmd, array(select rolname from pg_roles r where r.oid = any(polroles) order by 1),
                pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) as name from pg_policy order by 1`,
    );
    const own = `(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)`;
    const relay = 'relay t * {praxis_relay} true true';
    const here = expect.stringMatching(
      /^relay t \* \{praxis_relay\} \(NOT \(tenant_id IN \( SELECT f\.tenant_id\s+FROM tenant_fence f/,
    );
    const tenant = `tenant t * {praxis_app,praxis_ro} ${own} ${own}`;
    expect(policies.map(({ name }) => name)).toEqual([...(database === 'directory' ? [] : [here]), relay, tenant]);
    const borrowed = await db.asAdmin(
      database,
      `select oid::regprocedure::text as name from pg_proc where prosecdef and pronamespace = 'public'::regnamespace
       union all select relname from pg_class where relkind in ('v', 'm') and relnamespace = 'public'::regnamespace
                  and not coalesce('security_invoker=true' = any(reloptions), false)`,
    );
    expect(borrowed).toEqual([]);
  });

  it('cannot be hidden behind a table that the application makes', async () => {
    for (const statement of [
      'create table tenant_fence2 ()',
      'create temp table tenant_fence ()',
      'create schema praxis_app',
    ])
      await expect(db.asApp(database, statement)).rejects.toMatchObject({ code: '42501' });
  });

  it('open to the relay what is named here and nothing else', async () => {
    const grants = await db.asAdmin<{ name: string }>(
      database,
      `select c.relname || ': ' || string_agg(lower(a.privilege_type), ' ' order by a.privilege_type) as name
         from pg_class c, aclexplode(c.relacl) a where a.grantee = 'praxis_relay'::regrole group by c.relname order by 1`,
    );
    expect(grants.map(({ name }) => name)).toEqual(relayGrants[database]);
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
