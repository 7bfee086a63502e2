import { randomBytes } from 'node:crypto';
import { type Id, newId, type TenantContext } from '#infra/kernel';
import type { ReadContext } from '#infra/sharding';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { committed, csvOf, till } from '../test/files.js';
import { again, attemptAt, openServices, type Services } from '../test/registry.js';
import { MatchesRepository } from './matches.repository.js';
import { RecordsRepository } from './records.repository.js';
import type { RunId } from './run.js';
import { RunsRepository } from './runs.repository.js';
import type { SourceId } from './source.js';
import type { StatementId } from './statement.js';
import { StatementsRepository } from './statements.repository.js';

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly PlanNode[];
}

const recordsOfEach = 20_000;
const matchesOfEach = 5_000;
const rejectedOfEach = 5_000;
const page = { limit: 50, after: null };

let db: TestDatabases;
let services: Services;
let ctx: TenantContext;
let source: SourceId;
let statementId: StatementId;
let runId: RunId;

/** Two tenants with thousands of records and matches in the same tables, so that a wrong plan would be a slow one. */
beforeAll(async () => {
  db = await openTestDatabases();
  services = openServices(db);
  for (const _ of [1, 2]) {
    ctx = await db.newTenant({ shardId: 'shard-1' });
    source = (await services.sources.create(again(ctx), till('left'))).id;
    const other = (await services.sources.create(again(ctx), till('right'))).id;
    statementId = (await committed(services, ctx, source, csvOf('a,2026-03-01,10.00,X,', 'b,2026-03-01,1.00,,'))).id;
    const facing = (await committed(services, ctx, other, csvOf('c,2026-03-01,10.00,X,'))).id;
    const ladder = [[{ field: 'reference' }]] as const;
    const asked = { leftSourceId: source, rightSourceId: other, ladder, from: null, to: null };
    runId = (await services.runs.start(again(ctx), asked)).run.id;
    await services.reconciler.run(again(ctx), runId, attemptAt());
    await fillRecords(source, statementId);
    await fillRecords(other, facing);
    await fillMatches(facing);
  }
  await db.asAdmin('shard-1', 'vacuum analyze');
}, 60_000);
afterAll(() => db?.close());

async function fillRecords(of: SourceId, statement: StatementId): Promise<void> {
  const [tenantId, sealed] = [ctx.tenant.id, randomBytes(120)];
  await db.asAdmin(
    'shard-1',
    `insert into recon_record (tenant_id, id, source_id, statement_id, line_no, business_date, amount_minor, currency,
       key_hash, occurrence_no, row_hash, content, created_at)
     select $1, gen_random_uuid(), $2::uuid, $3, 10 + n, date '2026-01-01' + n % 300, n, 'USD', decode(md5($2::uuid::text || n), 'hex'),
            1, decode(md5(n::text), 'hex'), $4, to_timestamp(0) from generate_series(1, $5::int) n`,
    [tenantId, of, statement, sealed, recordsOfEach],
  );
  await db.asAdmin(
    'shard-1',
    `insert into recon_rejected_row (tenant_id, id, statement_id, line_no, code, raw)
     select $1, gen_random_uuid(), $2, 30000 + n, 'bad_date', $3 from generate_series(1, $4::int) n`,
    [tenantId, statement, sealed, rejectedOfEach],
  );
}

/** Records of both sides with the same amount, which is different for each. */
async function fillMatches(facing: StatementId): Promise<void> {
  await db.asAdmin(
    'shard-1',
    `with matched as (
       select l.tenant_id, l.id as left_id, r.id as right_id, l.amount_minor, m.id as run_id, m.leg_id,
              gen_random_uuid() as match_id
         from recon_record l join recon_record r on r.tenant_id = l.tenant_id and r.line_no = l.line_no,
              recon_run m
        where l.tenant_id = $1 and l.statement_id = $2 and r.statement_id = $3 and m.id = $4
          and l.line_no between 11 and 10 + $5::int
     ), made as (
       insert into recon_match (tenant_id, id, leg_id, run_id, rung, match_key, created_at)
       select tenant_id, match_id, leg_id, run_id, 1, sha256(match_id::text::bytea), to_timestamp(0) from matched
     ), sides as (
       select m.*, 'left' as side, left_id as record_id from matched m
       union all select m.*, 'right', right_id from matched m
     ), states as (
       insert into recon_leg_state (tenant_id, id, leg_id, record_id, amount_minor, open_minor, ordinal)
       select tenant_id, gen_random_uuid(), leg_id, record_id, amount_minor, 0, 1 from sides
     )
     insert into recon_match_line (tenant_id, id, match_id, leg_id, side, record_id, allocated_minor)
     select tenant_id, gen_random_uuid(), match_id, leg_id, side, record_id, amount_minor from sides`,
    [ctx.tenant.id, statementId, facing, runId, matchesOfEach],
  );
}

/** The plans of every statement that `run` sends, as the application's role makes them within the tenant. */
async function plansOf(mode: 'custom' | 'generic', run: (tx: ReadContext) => Promise<unknown>) {
  return db.sharding.read(again(ctx), async (tx) => {
    const [role] = await tx.db.query<{ name: string }>('select current_user::text as name');
    expect(role?.name).toBe('praxis_app');
    await tx.db.query(`select set_config('plan_cache_mode', $1, true)`, [`force_${mode}_plan`]);
    const plans: PlanNode[] = [];
    const query = async <Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> => {
      const explained = await tx.db.query<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
        `explain (format json) ${sql}`,
        parameters,
      );
      for (const row of explained) plans.push(...nodesOf(row['QUERY PLAN'][0].Plan));
      return tx.db.query<Row>(sql, parameters);
    };
    await run({ ...tx, db: { query } });
    return plans;
  });
}
const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];
/** Which indexes a plan reads; and what of it reads a large table past them, or an index beyond the tenant. */
function readOf(nodes: readonly PlanNode[]) {
  const large = /^recon_(record|match|match_line|leg_state|rejected_row)$/;
  const indexes = [...new Set(nodes.flatMap((node) => node['Index Name'] ?? []))].sort();
  const past = nodes.filter((node) => node['Node Type'] === 'Seq Scan' && large.test(node['Relation Name'] ?? ''));
  const beyond = nodes.filter(
    (node) => node['Index Cond'] !== undefined && !node['Index Cond'].includes('tenant_id = '),
  );
  return { indexes, wrong: [...past, ...beyond] };
}

describe.each(['custom', 'generic'] as const)('with a %s plan', (mode) => {
  const [records, runs, matches] = [new RecordsRepository(), new RunsRepository(), new MatchesRepository()];

  it('whether a row was sent before is asked of the index of keys, one look-up for each', async () => {
    const hashes = Array.from({ length: 1_000 }, () => randomBytes(16));
    const { indexes, wrong } = readOf(await plansOf(mode, (tx) => records.known(tx, hashes)));
    expect([indexes, wrong]).toEqual([['recon_record_once'], []]);
  });

  it('a page of a statement begins at its line', async () => {
    const plans = await plansOf(mode, async (tx) => {
      expect((await records.ofStatement(tx, statementId, { limit: 50, after: { line: 15_000 } })).items).toHaveLength(
        50,
      );
      await records.rejectedOf(tx, statementId, { limit: 50, after: { line: 1 } });
    });
    const { indexes, wrong } = readOf(plans);
    expect([indexes.includes('recon_record_line'), wrong]).toEqual([true, []]);
  });

  it('a page of matches is found by its run, with the lines and records of these alone', async () => {
    const plans = await plansOf(mode, (tx) => matches.ofRun(tx, runId, page));
    const { indexes, wrong } = readOf(plans);
    expect([indexes.includes('recon_match_by_run'), indexes.includes('recon_record_pkey'), wrong]).toEqual([
      true,
      true,
      [],
    ]);
  });

  it('a page of open records begins at its day, and asks for each what is left of it', async () => {
    const plans = await plansOf(mode, async (tx) => {
      const run = await runs.read(tx, runId);
      if (!run) throw new Error('the run is there');
      await matches.openAfter(tx, run, 'left', {
        ...page,
        after: { date: '2026-05-01' as never, id: newId<Id<'record'>>() },
      });
    });
    const { indexes, wrong } = readOf(plans);
    expect(indexes).toEqual(expect.arrayContaining(['recon_record_by_date', 'recon_leg_state_once']));
    expect(wrong).toEqual([]);
  });

  it('statements and runs are found by their ids, their bytes and their question', async () => {
    const statements = new StatementsRepository();
    const plans = await plansOf(mode, async (tx) => {
      await statements.read(tx, statementId);
      await statements.ofContent(tx, source, randomBytes(32));
      await statements.list(tx, page, source);
      await runs.ofFingerprint(tx, randomBytes(32));
      await runs.committed(tx, source);
      await records.totals(tx, statementId);
    });
    expect(readOf(plans).wrong).toEqual([]);
  });
});
