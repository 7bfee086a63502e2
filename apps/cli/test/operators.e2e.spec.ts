import { randomBytes } from 'node:crypto';
import { newId, type TenantContext, toDate } from '#infra/kernel';
import { CompiledProduct, findPort, openTestDatabases, type TestDatabases } from '#infra/testing';
import { RunningProcess } from './running-process.js';

let compiled: CompiledProduct;
let db: TestDatabases;
let ctx: TenantContext;
let slug: string;

beforeAll(async () => {
  compiled = new CompiledProduct('apps', 'libs', 'migrations');
  db = await openTestDatabases();
  ctx = await db.newTenant({ shardId: 'shard-1', plan: 'BASIC' });
  slug = (await db.sharding.tenants.byId(ctx.tenant.id)).slug;
  for (const [n, shardId] of ['shard-1', 'shard-2'].entries())
    await db.asAdmin(
      shardId,
      `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at, attempts, finished_at, outcome, error_code)
       select $1, gen_random_uuid(), 'job', 'letter.send', 'k', '{"to":"Zebulon"}', 'r', $2, $2, 5,
              $2::timestamptz + (2 * k + $3) * interval '1 second', 'dead', 'job.failed' from generate_series(1, 3) k`,
      [ctx.tenant.id, toDate(Date.parse('2026-12-01T09:00:00Z')), n],
    );
}, 60_000);
afterAll(async () => {
  await db?.close();
  compiled?.remove();
});

const signingKey = randomBytes(32).toString('base64');

async function praxis(words: string, env: Readonly<Record<string, string>> = {}) {
  const program = compiled.program('apps/cli/src/main.ts');
  const running = new RunningProcess(program, words.split(' '), { ...db.env, TOKEN_SIGNING_KEY: signingKey, ...env });
  const { code } = await running.exited;
  return { code, out: running.out, err: running.err };
}

describe('praxis jobs dead', () => {
  it('prints the newest first out of all shards, and how to go on', async () => {
    const first = await praxis('jobs dead --limit 4');
    expect([first.code, first.out.length]).toEqual([0, 4]);
    expect(first.out.map((line) => line.split('  ')[1])).toEqual(['shard-2', 'shard-1', 'shard-2', 'shard-1']);
    const [more = ''] = first.err;
    expect(more).toMatch(/^more: praxis jobs dead --limit 4 --cursor [\w-]+$/);
    const rest = await praxis(more.replace('more: praxis ', ''));
    expect([rest.code, rest.out.length, rest.err]).toEqual([0, 2, []]);
    expect([...first.out, ...rest.out].join()).not.toContain('Zebulon');
    expect((await praxis('jobs dead --cursor made-up')).code).toBe(1);
    expect((await praxis('jobs dead --limit 0')).code).toBe(2);
  }, 60_000);

  it('names a shard that is away, shows what the others have, and ends with 1', async () => {
    const url = new URL(db.env.SHARD_2_URL ?? '');
    url.port = String(await findPort('nobody', [], () => undefined));
    const { code, out, err } = await praxis('jobs dead', { SHARD_2_URL: url.toString() });
    expect([code, out.length]).toEqual([1, 3]);
    expect(err.join('\n')).toMatch(/shard-2 did not answer \(\w+\.\w+\): what it holds comes later/);
  }, 60_000);
});

describe('praxis explain', () => {
  it('lists the queries, and prints the plan of one within a tenant, without values', async () => {
    const names = await praxis('explain');
    expect([names.code, names.out]).toEqual([
      0,
      expect.arrayContaining(['appointments.by_start  GET /api/v1/appointments']),
    ]);
    const plan = await praxis(`explain members.by_status --tenant ${slug}`);
    expect([plan.code, plan.err]).toEqual([0, []]);
    expect(plan.out.join('\n')).toMatch(/on member m/);
    expect(plan.out.join('\n')).toContain('tenant_id = $1');
    expect(plan.out.join('\n')).not.toContain(ctx.tenant.id);
    const run = await praxis(`explain users.all --tenant ${slug} --analyze`);
    expect(run.out.join('\n')).toMatch(/Execution Time: [\d.]+ ms/);
  }, 60_000);

  it.each([
    ['explain nothing.known --tenant x', 2, 'one query by its name'],
    ['explain members.all', 2, '--tenant is missing'],
    ['explain members.all --tenant nobody-has-this', 1, 'tenant.not_found'],
    ['explain --server shard-1 --fingerprint 1', 1, 'statements.unknown'],
  ])(
    'of what is not there ends with a sentence: %s',
    async (words, expected, sentence) => {
      const { code, out, err } = await praxis(words);
      expect([code, out]).toEqual([expected, []]);
      expect(err[0]).toContain(sentence);
    },
    60_000,
  );
});

describe('praxis tenants', () => {
  const tenant = async () =>
    (await db.asAdmin('directory', 'select plan, state from tenant where id = $1', [ctx.tenant.id]))[0];

  it('plan, suspend and resume change what the directory says of one tenant', async () => {
    expect((await praxis(`tenants plan ${slug} ENTERPRISE`)).out.map((line) => JSON.parse(line))).toEqual([
      { tenantId: ctx.tenant.id, slug, plan: 'ENTERPRISE', state: 'active' },
    ]);
    expect((await praxis(`tenants suspend ${slug}`)).code).toBe(0);
    expect(await tenant()).toEqual({ plan: 'ENTERPRISE', state: 'suspended' });
    expect((await praxis(`tenants resume ${slug}`)).code).toBe(0);
    expect(await tenant()).toEqual({ plan: 'ENTERPRISE', state: 'active' });
    expect((await praxis(`tenants plan ${slug} GOLD`)).code).toBe(2);
  }, 60_000);

  it('create makes none in a region that has no shard', async () => {
    const wanted = `t-${newId().slice(-12)}`;
    const { code, err } = await praxis(
      `tenants create --slug ${wanted} --name Clinic --plan BASIC --owner-email a@b.example --region mars`,
    );
    expect([code, err[0]]).toEqual([1, expect.stringContaining('in region mars')]);
    expect(await db.asAdmin('directory', 'select 1 from tenant where slug = $1', [wanted])).toEqual([]);
  }, 60_000);
});
