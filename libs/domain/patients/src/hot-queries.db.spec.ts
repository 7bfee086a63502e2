import { randomBytes } from 'node:crypto';
import { newId, type TenantContext } from '#infra/kernel';
import type { ReadContext } from '#infra/sharding';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { person } from '../test/people.js';
import { again, openServices, type Services } from '../test/registry.js';
import { BlindIndex } from './blind-index.js';
import { criteriaOf, type PatientCriteria } from './criteria.js';
import type { PatientId } from './patient.js';
import { PatientsRepository } from './patients.repository.js';
import { blockingCriteriaOf } from './tokens.js';
import { TokensRepository } from './tokens.repository.js';

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly PlanNode[];
}

const patientsOfEach = 4_000;
const tokensOfEach = 12;

let db: TestDatabases;
let services: Services;
let ctx: TenantContext;
let patientId: PatientId;

/** Two tenants with thousands of patients in the same tables, so that a wrong plan would be a slow one. */
beforeAll(async () => {
  db = await openTestDatabases();
  services = openServices(db);
  ctx = await db.newTenant({ shardId: 'shard-1' });
  for (const { tenant } of [ctx, await db.newTenant({ shardId: 'shard-1' })]) {
    await db.asAdmin(
      'shard-1',
      `insert into patient (tenant_id, id, demographics, created_by, created_at, updated_at)
       select $1, gen_random_uuid(), $2, 'test', to_timestamp(0), to_timestamp(0) from generate_series(1, $3::int)`,
      [tenant.id, randomBytes(300), patientsOfEach],
    );
    await db.asAdmin(
      'shard-1',
      `insert into patient_token (tenant_id, id, patient_id, kind, token)
       select p.tenant_id, gen_random_uuid(), p.id, 1 + n % 10,
              decode(md5(n::text || case when n % 4 = 0 then 'smith' else p.id::text end), 'hex')
         from patient p, generate_series(1, $2::int) n where p.tenant_id = $1`,
      [tenant.id, tokensOfEach],
    );
    await db.asAdmin(
      'shard-1',
      `insert into patient_version (tenant_id, id, patient_id, version, event, demographics, changed, actor_kind, at)
       select tenant_id, gen_random_uuid(), id, 1, 'created', 'x', '{}', 'system', created_at from patient where tenant_id = $1`,
      [tenant.id],
    );
  }
  ({ id: patientId } = await services.registration.create(again(ctx), person({ family: 'Quill', given: 'Ann' }), {
    force: false,
  }));
  await db.asAdmin('shard-1', 'vacuum analyze');
}, 60_000);
afterAll(() => db?.close());

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
const scansOf = (nodes: readonly PlanNode[], table: string) =>
  nodes.filter((node) => node['Relation Name'] === table).map((node) => [node['Node Type'], node['Index Name']]);

describe.each(['custom', 'generic'] as const)('with a %s plan', (mode) => {
  const tokens = new TokensRepository();
  const rows = new PatientsRepository();

  it.each([
    { family: 'quill' },
    { name: 'ann quill' },
    { family: 'qui', given: 'ann', birthDate: '1984-02-29', phone: '6045550199' },
  ] as unknown as PatientCriteria[])('a search by %j reads the index of tokens and nothing else', async (asked) => {
    const criteria = criteriaOf(asked);
    const wanted = await new BlindIndex(db.crypto).wantedOf(ctx, criteria);
    const nodes = await plansOf(mode, (tx) => tokens.find(tx, wanted, criteria.length, 1_001));
    expect(scansOf(nodes, 'patient_token')).toEqual([['Index Only Scan', 'patient_token_find']]);
    const [scan] = nodes.filter((node) => node['Index Name'] === 'patient_token_find');
    for (const bound of ['tenant_id = ', 'kind = ', 'token = ']) expect(scan?.['Index Cond']).toContain(bound);
  });

  it('the question for duplicates reads the same index', async () => {
    const criteria = blockingCriteriaOf(person({ family: 'Quill', given: 'Ann', birthDate: '1984-02-29' }));
    const wanted = await new BlindIndex(db.crypto).wantedOf(ctx, criteria);
    const nodes = await plansOf(mode, async (tx) => {
      expect(await tokens.find(tx, wanted, 1, 200)).toEqual([patientId]);
    });
    expect(scansOf(nodes, 'patient_token')).toEqual([['Index Only Scan', 'patient_token_find']]);
  });

  it('the rows of candidates, a page, a patient and its versions are found by their keys', async () => {
    const ids = [patientId, ...Array.from({ length: 99 }, () => newId<PatientId>())];
    const nodes = await plansOf(mode, async (tx) => {
      await rows.readMany(tx, ids);
      await rows.list(tx, { limit: 50, after: { id: patientId } });
      await rows.read(tx, patientId);
      await rows.versions(tx, patientId, 200);
      await rows.version(tx, patientId, 1);
    });
    const types = nodes.map((node) => node['Node Type']);
    expect(types).not.toContain('Seq Scan');
    const used = new Set(nodes.map((node) => node['Index Name']).filter(Boolean));
    expect([...used].sort()).toEqual(['patient_pkey', 'patient_version_once']);
  });
});
