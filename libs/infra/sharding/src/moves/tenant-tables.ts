import { fail } from './moves.errors.js';
import type { Session } from './session.js';

/** A table whose rows go where their tenant goes. */
export interface TenantTable {
  readonly name: string;
  /** As PostgreSQL numbers them. */
  readonly columns: readonly string[];
  readonly key: readonly string[];
}

/** Each shard's own: who is served here. */
const ownOfShard = 'tenant_fence';

/**
 * What `secure_tenant_table` made a tenant's, from the catalogue: a table that a later migration adds moves as well.
 * `shape` tells two tables with the same name apart.
 */
const select = `
select c.relname as name,
       array_agg(a.attname::text order by a.attnum) as columns,
       string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated), ',' order by a.attnum) as shape,
       coalesce((select array_agg(k.attname::text order by k.attnum)
                   from pg_index x join pg_attribute k on k.attrelid = x.indexrelid
                  where x.indrelid = c.oid and x.indisprimary), '{}') as key,
       c.relreplident = 'd' as "byKey",
       exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'tenant') as secured
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> $1
 group by c.oid
having bool_or(a.attname = 'tenant_id')
 order by c.relname`;

interface Found extends TenantTable {
  readonly shape: string;
  readonly byKey: boolean;
  readonly secured: boolean;
}

/**
 * The tables to move; throws move.refused where the two shards do not have the same, or where one could not be filtered
 * by tenant.
 */
export async function tenantTables(source: Session, target: Session): Promise<readonly TenantTable[]> {
  const [here, there] = await Promise.all([tablesOf(source), tablesOf(target)]);
  const shapes = new Map(there.map(({ name, shape }) => [name, shape]));
  const differing = here.filter(({ name, shape }) => shapes.get(name) !== shape).map(({ name }) => name);
  const further = there.filter(({ name }) => !here.some((table) => table.name === name)).map(({ name }) => name);
  if (differing.length + further.length > 0)
    throw fail('move.refused', { internal: `the shards differ in ${[...differing, ...further].join(', ')}` });
  return here;
}

export async function tablesOf(session: Session): Promise<readonly Found[]> {
  const found = await session.query<Found>(select, [ownOfShard]);
  const unfit = found.filter(({ secured, byKey, key }) => !secured || !byKey || !key.includes('tenant_id'));
  if (unfit.length > 0)
    throw fail('move.refused', {
      internal: `not a tenant’s table with the tenant in its primary key: ${unfit.map(({ name }) => name).join(', ')}`,
    });
  return found;
}

/** The newest migration that ran in a database: 13 digits. */
export async function schemaVersionOf(session: Session): Promise<string> {
  const row = await session.one<{ version: string | null }>('select max("timestamp")::text as version from migrations');
  return row.version ?? '0';
}

/** A contract may be missing on one of two shards whose newest migration is the same. Throws move.refused. */
export async function expectSameMigrations(source: Session, target: Session): Promise<void> {
  const namesOf = async (session: Session) =>
    (await session.query<{ name: string }>('select name from migrations')).map(({ name }) => name);
  const [here, there] = await Promise.all([namesOf(source), namesOf(target)]);
  const alone = [...here.filter((name) => !there.includes(name)), ...there.filter((name) => !here.includes(name))];
  if (alone.length > 0)
    throw fail('move.refused', { internal: `schemas differ by ${alone.join(', ')}; run \`praxis migrate\`` });
}

export interface TableSize {
  readonly rows: number;
  readonly bytes: number;
}

/** How many rows of the tenant each table holds, and about how large they are. */
export async function sizesOf(
  session: Session,
  tables: readonly TenantTable[],
  tenantId: string,
): Promise<ReadonlyMap<string, TableSize>> {
  const sizes = new Map<string, TableSize>();
  for (const { name } of tables) {
    const table = session.identifier(name);
    sizes.set(
      name,
      await session.one<TableSize>(
        `select count(*)::float8 as rows, coalesce(sum(pg_column_size(t.*)), 0)::float8 as bytes from ${table} t where tenant_id = $1`,
        [tenantId],
      ),
    );
  }
  return sizes;
}

const deleteBatch = 5_000;

/**
 * Removes the tenant's rows, append-only ones too, in batches of a transaction each; how many. Whoever calls it knows
 * that the tenant is not served here.
 */
export async function removeRows(session: Session, tables: readonly TenantTable[], tenantId: string): Promise<number> {
  let removed = 0;
  // For this connection alone: triggers that guard the application's tables stand still, foreign keys among them.
  await session.query(`set session_replication_role = replica`);
  try {
    for (const { name, key } of tables) {
      const table = session.identifier(name);
      const columns = key.map((column) => session.identifier(column)).join(', ');
      for (let batch = deleteBatch; batch === deleteBatch; removed += batch)
        batch = await session.execute(
          `delete from ${table} where tenant_id = $1
              and (${columns}) in (select ${columns} from ${table} where tenant_id = $1 limit ${deleteBatch})`,
          [tenantId],
        );
    }
  } finally {
    await session.query('reset session_replication_role');
  }
  return removed;
}
