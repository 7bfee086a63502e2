import type { Run, RunTenant } from '../stack.js';
import { sql } from '../wholeness.js';

type Place = Pick<Run, 'stack' | 'server' | 'database'>;

/** Rows that a tenant of some years has, written past the API: sealed patients with their versions, half of each. */
export async function fillTenant(at: Place, tenantId: string, rows: number): Promise<void> {
  const patients = Math.ceil(rows / 2);
  await sql(
    at,
    `with born as (
       insert into patient (tenant_id, id, demographics, created_by, created_at, updated_at)
       select $1, gen_random_uuid(), sha512(n::text::bytea) || sha512((-n)::text::bytea), 'load', d.at, d.at
         from generate_series(1, $2::int) n, lateral (select timestamptz '2020-01-01Z' + n * interval '1 minute') d(at)
       returning id, demographics, created_at)
     insert into patient_version (tenant_id, id, patient_id, version, event, demographics, changed, actor_kind, at)
     select $1, gen_random_uuid(), id, 1, 'created', demographics, '{}', 'system', created_at from born`,
    [tenantId, patients],
  );
}

const tablesOf = async (at: Place): Promise<readonly string[]> =>
  (
    await sql<{ name: string }>(
      at,
      `select c.relname as name from pg_class c join pg_policy p on p.polrelid = c.oid and p.polname = 'tenant' order by 1`,
    )
  ).map(({ name }) => name);

/** How many rows the tenant has on a shard, fence included, and a sum over all their texts. */
export async function digestOf(at: Place, tenantId: string): Promise<{ readonly rows: number; readonly sum: string }> {
  const parts = (await tablesOf(at)).map(
    (name) =>
      `select count(*) as n, sum(hashtextextended(t::text, 0)::numeric) as sum from ${name} t where tenant_id = $1`,
  );
  const [total] = await sql<{ rows: number; sum: string }>(
    at,
    `select sum(n)::float8 as rows, coalesce(sum(sum), 0)::text as sum from (${parts.join(' union all ')}) t`,
    [tenantId],
  );
  return total ?? { rows: Number.NaN, sum: '' };
}

/** Tenants that have rows on a shard. */
export async function tenantsOn(at: Place): Promise<readonly string[]> {
  const parts = (await tablesOf(at)).map((name) => `select tenant_id from ${name}`);
  const rows = await sql<{ id: string }>(at, `select distinct tenant_id::text as id from (${parts.join(' union ')}) t`);
  return rows.map(({ id }) => id);
}

/** Facts that are not numbered 1, 2, 3 … once each, or not published. */
export async function wrongFacts(at: Place, tenantId: string): Promise<number> {
  const [row] = await sql<{ wrong: number }>(
    at,
    `select count(*) filter (where place is distinct from seq or published_at is null)::int as wrong
       from (select seq, published_at, row_number() over (order by seq nulls last) as place
               from outbox where tenant_id = $1 and kind = 'fact') f`,
    [tenantId],
  );
  return row?.wrong ?? Number.NaN;
}

/** Ids of acknowledged visits that are not on the shard. */
export async function missingOn(at: Place, tenantId: string, ids: readonly string[]): Promise<number> {
  const [row] = await sql<{ n: number }>(
    at,
    `select count(*)::int as n from unnest($2::uuid[]) as told (id)
      where not exists (select from appointment a where a.tenant_id = $1 and a.id = told.id and a.status = 'booked')`,
    [tenantId, ids],
  );
  return row?.n ?? Number.NaN;
}

/** The tenant as the directory has it now: its shard, and the step of its newest move. */
export async function whereIs(own: Run): Promise<{ readonly shard: string; readonly step: string | null }> {
  const database = new URL(own.stack.environment.DIRECTORY_URL ?? '').pathname.slice(1);
  const [row] = await sql<{ shard: string; step: string | null }>(
    { stack: own.stack, server: 0, database },
    `select shard_id as shard, (select step from tenant_move m where m.tenant_id = t.id order by id desc limit 1) as step
       from tenant t where id = $1`,
    [own.tenantId],
  );
  if (row === undefined) throw new Error('the directory does not know the tenant');
  return row;
}

/** The same run, seen from another shard. */
export function seenOn(own: Run, shard: string): Run & RunTenant {
  const number = Number(shard.replace('shard-', ''));
  const url = own.stack.environment[`SHARD_${number}_URL`] ?? '';
  return { ...own, server: number - 1, database: new URL(url).pathname.slice(1) };
}
