import { randomBytes } from 'node:crypto';
import { Cache, cacheConfig } from '#infra/cache';
import { parseConfig } from '#infra/config';
import { isAppError, newId, type TenantContext } from '#infra/kernel';
import { type PlanNode, planTreesOf } from '#infra/sharding';
import { createLog, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import type { LocalDate } from '#infra/time';
import { committed, csvOf, till } from '../test/files.js';
import { again, openServices, type Services } from '../test/registry.js';
import { reconciliationQueries } from './hot-queries.js';
import type { SourceId } from './source.js';
import { type TakingsRange, takingsLimits } from './takings.js';
import { TakingsRepository } from './takings.repository.js';
import { TakingsService } from './takings.service.js';

const day = (text: string) => text as LocalDate;
const [from, to] = [day('2026-03-01'), day('2026-03-31')];

let db: TestDatabases;
let services: Services;
let cache: Cache;
let takings: TakingsService;

beforeAll(async () => {
  db = await openTestDatabases();
  services = openServices(db);
  const { sharding, redis, crypto, audit, clock } = db;
  const log = createLog({ level: 'error', service: 'test' }, { app: 'test', version: '0.0.0' });
  const { cache: config } = parseConfig({ cache: cacheConfig }, db.env);
  cache = new Cache({ config, redis, crypto, audit, log, metrics: new Metrics(), clock });
  takings = new TakingsService(sharding, cache);
}, 60_000);
afterAll(() => db?.close());

const newCompany = () => db.newTenant({ shardId: 'shard-1' });
const sumsOf = async (ctx: TenantContext, range: Partial<TakingsRange> = {}) =>
  (await takings.takings(again(ctx), { from, to, ...range })).value;
const codeOf = (act: Promise<unknown>) =>
  act.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : Promise.reject(error)),
  );

async function insertRecords(ctx: TenantContext, source: SourceId, rows: number, minor = '$4::int * n'): Promise<void> {
  await db.asAdmin(
    'shard-1',
    `insert into recon_record (tenant_id, id, source_id, statement_id, line_no, business_date, amount_minor, currency,
       key_hash, occurrence_no, row_hash, content, created_at)
     select $1::uuid, gen_random_uuid(), $2::uuid, $2::uuid, n, date '2026-03-01' + n % 300, ${minor}, 'USD',
            decode(md5($2::uuid::text || n), 'hex'), 1, decode(md5(n::text), 'hex'), $3::bytea, to_timestamp($4::int)
       from generate_series(1, $5::int) n`,
    [ctx.tenant.id, source, randomBytes(120), 1, rows],
  );
}

describe('takings', () => {
  it('are what each source’s records of a day add up to, never two sources together, and nobody else’s', async () => {
    const [ctx, other] = [await newCompany(), await newCompany()];
    const left = (await services.sources.create(again(ctx), till('left', 'CAD'))).id;
    const right = (await services.sources.create(again(ctx), till('right', 'JPY'))).id;
    const theirs = (await services.sources.create(again(other), till('left'))).id;
    const csv = csvOf('a,2026-03-01,120.00,,', 'b,2026-03-01,-20.50,,', 'c,2026-03-31,0.01,,', 'd,2026-04-01,9.00,,');
    await committed(services, ctx, left, csv);
    await committed(services, ctx, right, csvOf('a,2026-03-01,120,,'));
    await committed(services, other, theirs, csvOf('a,2026-03-02,7.00,,'));
    const lefts = {
      ...{ sourceId: left, kind: 'pos' },
      days: [
        { date: '2026-03-01', currency: 'CAD', records: 2, sumMinor: 9_950 },
        { date: '2026-03-31', currency: 'CAD', records: 1, sumMinor: 1 },
      ],
    };
    const yen = [{ date: '2026-03-01', currency: 'JPY', records: 1, sumMinor: 120 }];
    expect(await sumsOf(ctx)).toEqual([lefts, { sourceId: right, kind: 'pos', days: yen }]);
    expect(await sumsOf(ctx, { sourceId: left })).toEqual([lefts]);
    expect(await sumsOf(ctx, { sourceId: right, from: day('2026-03-02') })).toEqual([
      { sourceId: right, kind: 'pos', days: [] },
    ]);
    for (const unknown of [theirs, newId<SourceId>()])
      expect(await codeOf(sumsOf(ctx, { sourceId: unknown }))).toBe('source.not_found');
  });

  it('are exact up to the largest amount there is, and refused beyond it', async () => {
    const ctx = await newCompany();
    const source = (await services.sources.create(again(ctx), till())).id;
    await insertRecords(ctx, source, 301, `case n % 300 when 1 then 4503599627370495 + n / 300 else 1 end`);
    const [taken] = await sumsOf(ctx, { from: day('2026-03-02'), to: day('2026-03-02') });
    expect(taken?.days).toEqual([
      { date: '2026-03-02', currency: 'USD', records: 2, sumMinor: Number.MAX_SAFE_INTEGER },
    ]);
    await insertRecords(ctx, (await services.sources.create(again(ctx), till('more'))).id, 1, '1');
    const second = (await services.sources.create(again(ctx), till('most'))).id;
    await insertRecords(ctx, second, 301, '4503599627370496');
    expect(await codeOf(sumsOf(ctx))).toBe('takings.sum_too_large');
    expect(await codeOf(sumsOf(ctx, { sourceId: source, from: day('2026-03-03') }))).toBe('done');
  });

  it('are refused to who may not see them, of more days than 366, and of more sources than 100 at once', async () => {
    const ctx = await newCompany();
    const permissions = new Set(['reconciliation.read']);
    const clerk = { kind: 'user', id: newId(), sessionId: newId(), permissions } as TenantContext['actor'];
    expect(await codeOf(takings.takings(again(ctx, { actor: clerk }), { from, to }))).toBe('reconciliation.forbidden');
    expect(await codeOf(sumsOf(ctx, { to: day('2027-03-02') }))).toBe('takings.range_invalid');
    expect(await codeOf(sumsOf(ctx, { to: day('2027-03-01') }))).toBe('done');
    const { id } = await services.sources.create(again(ctx), till());
    await db.asAdmin(
      'shard-1',
      `insert into recon_source (tenant_id, id, code, name, kind, currency, mapping, created_by, created_at)
       select tenant_id, gen_random_uuid(), 'till-' || n, name, kind, currency, mapping, created_by, created_at
         from recon_source, generate_series(1, $2::int) n where tenant_id = $1`,
      [ctx.tenant.id, takingsLimits.sources],
    );
    await cache.forgetTenant(ctx);
    expect(await codeOf(sumsOf(ctx))).toBe('takings.too_many_sources');
    expect(await sumsOf(ctx, { sourceId: id })).toEqual([{ sourceId: id, kind: 'pos', days: [] }]);
  });
});

describe('takings by day among the records of many', () => {
  const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];
  const readsOf = (nodes: readonly PlanNode[]) =>
    nodes
      .filter((node) => node['Relation Name'] === 'recon_record')
      .map((node) => [
        node['Node Type'],
        node['Index Name'],
        /tenant_id = .*business_date/.test(node['Index Cond'] ?? ''),
      ]);
  const fromIndex = [['Index Only Scan', 'recon_record_by_day', true]];

  it('[C-002] are an Index Only Scan of the index that carries the amount, as the application’s role plans it', async () => {
    const companies = [await newCompany(), await newCompany(), await newCompany()];
    const sources: SourceId[] = [];
    for (const ctx of companies)
      for (const code of ['till', 'bank']) {
        const { id } = await services.sources.create(again(ctx), till(code));
        await insertRecords(ctx, id, 6_000);
        if (ctx === companies[0]) sources.push(id);
      }
    await db.asAdmin('shard-1', 'vacuum analyze recon_record');
    const [ctx] = companies as [TenantContext];
    const [definition] = await db.asAdmin<{ text: string }>(
      'shard-1',
      `select pg_get_indexdef('recon_record_by_day'::regclass) as text`,
    );
    expect(definition?.text).toMatch(/\(tenant_id, source_id, business_date, id\) INCLUDE \(currency, amount_minor\)$/);
    const query = reconciliationQueries.find(({ name }) => name === 'reconciliation.takings');
    if (!query) throw new Error('the hot queries name it');
    expect(readsOf((await planTreesOf(db.sharding, again(ctx), query)).flatMap(nodesOf))).toEqual(fromIndex);
    const custom: PlanNode[] = [];
    await db.sharding.read(again(ctx), async (tx) => {
      const explained = async <Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> => {
        const [row] = await tx.db.query<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
          `explain (format json) ${sql}`,
          parameters,
        );
        if (row) custom.push(...nodesOf(row['QUERY PLAN'][0].Plan));
        return tx.db.query<Row>(sql, parameters);
      };
      const days = await new TakingsRepository().days({ ...tx, db: { query: explained } }, sources, { from, to });
      expect(days).toHaveLength(62);
    });
    expect(readsOf(custom)).toEqual(fromIndex);
  });
});
