import type { TenantContext } from '#infra/kernel';
import type { TestDatabases } from '#infra/testing';
import type { NewSource, SourceId } from '../src/source.js';
import type { StatementId } from '../src/statement.js';
import { again, attemptAt, chunksOf, type Services } from './registry.js';

export const till = (code = 'till', currency = 'USD'): NewSource => ({
  code,
  name: 'Till',
  kind: 'pos',
  mapping: {
    externalId: 'Id',
    date: 'Date',
    amount: 'Amount',
    reference: 'Reference',
    memo: 'Memo',
    dateFormat: 'YYYY-MM-DD',
    decimal: '.',
    currency,
    sign: 'as_is',
  },
});
export const csvOf = (...lines: readonly string[]): string =>
  `${['Id,Date,Amount,Reference,Memo', ...lines].join('\n')}\n`;

/**
 * Rows that are the same in every run of a spec, with values so few that many meet: as one with one, with another amount,
 * as several, or with the other sign.
 */
export function fileOf(side: string, rows: number): string {
  let state = side.charCodeAt(0);
  const next = (values: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % values;
  };
  const row = (n: number): string => {
    const [day, minor, reference] = [1 + next(9), (next(90) - 20) * 137, next(4) === 0 ? '' : `REF ${next(150)}`];
    return `${side}-${n},2026-03-0${day},${(minor / 100).toFixed(2)},${reference},${'abcdefg'[next(7)]}${next(9)}`;
  };
  return csvOf(...Array.from({ length: rows }, (_, n) => row(n)));
}

/** Sent, and waiting for its ingest. */
export async function received(services: Services, ctx: TenantContext, source: SourceId, csv: string) {
  const { statement } = await services.uploads.receive(again(ctx), source, chunksOf(csv));
  return statement.id;
}

export async function committed(services: Services, ctx: TenantContext, source: SourceId, csv: string) {
  const id = await received(services, ctx, source, csv);
  await services.ingest.run(again(ctx), id, attemptAt());
  return services.statements.read(again(ctx), id);
}

const tables = [
  'recon_source',
  'recon_statement',
  'recon_upload_part',
  'recon_rejected_row',
  'recon_record',
  'recon_leg',
  'recon_run',
  'recon_match',
  'recon_match_line',
  'recon_leg_state',
  'outbox',
  'audit_event',
  'audit_subject',
  'idempotency_key',
] as const;

/** Everything that reconciliation left in a tenant's tables, as bytes. */
export async function everythingOf(db: TestDatabases, { tenant }: TenantContext): Promise<string> {
  const rows = await Promise.all(
    tables.map((table) =>
      db.asAdmin<Record<string, unknown>>('shard-1', `select * from ${table} where tenant_id = $1`, [tenant.id]),
    ),
  );
  return rows
    .flat()
    .flatMap((row) => Object.values(row))
    .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value)))
    .join('\n');
}

const counted = tables.slice(2, 10);

/** Rows of each table that an ingest or a run writes, facts among them. */
export async function countsOf(
  db: TestDatabases,
  { tenant }: TenantContext,
): Promise<Readonly<Record<string, number>>> {
  const counts = counted.map((table) => `(select count(*)::int from ${table} where tenant_id = $1) as ${table}`);
  const facts = `(select count(*)::int from outbox where tenant_id = $1 and kind = 'fact') as facts`;
  const sql = `select ${[...counts, facts].join(', ')}`;
  const [row] = await db.asAdmin<Record<string, number>>('shard-1', sql, [tenant.id]);
  return row ?? {};
}

/** A record as its source would know it again: what stands in the tables once for each row that is a record. */
export async function keysOf(
  db: TestDatabases,
  { tenant }: TenantContext,
  source: SourceId,
): Promise<readonly string[]> {
  const rows = await db.asAdmin<{ key: string }>(
    'shard-1',
    `select concat_ws('|', encode(key_hash, 'hex'), occurrence_no, business_date, amount_minor) as key
       from recon_record where tenant_id = $1 and source_id = $2`,
    [tenant.id, source],
  );
  return rows.map(({ key }) => key).sort();
}

export const statusOf = async (services: Services, ctx: TenantContext, id: StatementId): Promise<string> =>
  (await services.statements.read(again(ctx), id)).status;

/**
 * A tenant's books from matches and lines alone, without the states that runs keep: `broken`, records whose open cents are
 * not what is left of them; `beyond`, of which more was taken than they have; `twice`, in two matches of a leg; `uneven`,
 * matches whose sides do not give the same; `partly`, records of which something was taken and something is left.
 */
export async function booksOf(db: TestDatabases, { tenant }: TenantContext) {
  const [books] = await db.asAdmin<
    Record<'records' | 'broken' | 'beyond' | 'twice' | 'uneven' | 'partly' | 'matches', number>
  >(
    'shard-1',
    `with taken as (
       select record_id, sum(allocated_minor)::bigint as minor, count(*)::int as matches from recon_match_line
        where tenant_id = $1 group by record_id
     ), books as (
       select r.amount_minor as amount, coalesce(t.minor, 0) as taken, coalesce(t.matches, 0) as matches,
              coalesce(s.open_minor, r.amount_minor) as open
         from recon_record r
         left join taken t on t.record_id = r.id
         left join recon_leg_state s on s.tenant_id = $1 and s.record_id = r.id
        where r.tenant_id = $1
     )
     select (select count(*)::int from recon_record where tenant_id = $1) as records,
            (count(*) filter (where taken + open <> amount))::int as broken,
            (count(*) filter (where abs(taken) > abs(amount) or sign(taken) = -sign(amount) and taken <> 0))::int as beyond,
            (count(*) filter (where matches > 1))::int as twice,
            (count(*) filter (where taken <> 0 and open <> 0))::int as partly,
            (select count(*)::int from recon_match where tenant_id = $1) as matches,
            (select count(*)::int from (
               select match_id from recon_match_line where tenant_id = $1 group by match_id
               having sum(allocated_minor) filter (where side = 'left') is distinct from
                      sum(allocated_minor) filter (where side = 'right')) u) as uneven
       from books`,
    [tenant.id],
  );
  if (!books) throw new RangeError('an aggregate answers one row');
  return books;
}
