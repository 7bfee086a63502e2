import { appointmentQueries } from '#domain/appointments';
import { memberQueries } from '#domain/members';
import { patientQueries } from '#domain/patients';
import { reconciliationQueries } from '#domain/reconciliation';
import { identityQueries } from '#infra/identity';
import { type HotQuery, orderSpine, planTreesOf } from '#infra/sharding';
import { Api } from './house/api.js';
import { operationsOf } from './house/operations.js';
import { makeSide, type Side, sharedPatient } from './house/world.js';

const queries: readonly HotQuery[] = [
  ...appointmentQueries,
  ...patientQueries,
  ...memberQueries,
  ...reconciliationQueries,
  ...identityQueries,
];
/** Where PostgreSQL can avoid a scan of a whole table or a sort, it does: what is left then has no index. */
const settings = { enable_seqscan: 'off', enable_sort: 'off', enable_bitmapscan: 'off' };

let api: Api;
let side: Side;

beforeAll(async () => {
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false' });
  side = await makeSide(api, 'shard-1');
}, 60_000);
afterAll(() => api?.stop());

const templateOf = ({ method, path }: { readonly method: string; readonly path: string }) =>
  `${method} ${path.replaceAll(/\{\w+\}/g, '{id}')}`;

describe('every list', () => {
  it('[C-004] is asked by a query that is known here, and every one of those reads its order from an index', async () => {
    const { json } = await api.must({ method: 'GET', path: '/openapi.json' });
    const listed = (await operationsOf(api))
      .filter(({ method, path }) => {
        const { parameters = [] } = json.paths[path]?.[method.toLowerCase()] ?? {};
        return parameters.some(({ name }: { readonly name: string }) => name === 'cursor');
      })
      .map(templateOf);
    expect(listed.length).toBeGreaterThan(14);
    const known = new Set(queries.map(({ lists }) => lists));
    expect(listed.filter((route) => !known.has(route))).toEqual([]);
    for (const query of queries.filter(({ lists }) => lists !== undefined && listed.includes(lists))) {
      const trees = await planTreesOf(api.db.sharding, side.ctx, query, { settings });
      expect([query.name, trees.length]).toEqual([query.name, 1]);
      const spine = trees.flatMap(orderSpine).map((node) => node['Node Type']);
      expect([query.name, spine.filter((type) => /Sort|Seq Scan|Bitmap/.test(type))]).toEqual([query.name, []]);
      expect([query.name, spine.at(-1)]).toEqual([query.name, expect.stringMatching(/^Index (Only )?Scan/)]);
    }
  });

  it('and every other hot query finds its rows by an index too, with the tenant first', async () => {
    const nodesOf = (node: ReturnType<typeof orderSpine>[number]): (typeof node)[] => [
      node,
      ...(node.Plans ?? []).flatMap(nodesOf),
    ];
    for (const query of queries) {
      const nodes = (await planTreesOf(api.db.sharding, side.ctx, query, { settings })).flatMap(nodesOf);
      expect([query.name, nodes.filter((node) => node['Node Type'] === 'Seq Scan')]).toEqual([query.name, []]);
      const scans = nodes.filter((node) => node['Index Name'] !== undefined);
      expect([query.name, scans.length > 0]).toEqual([query.name, true]);
      const conditions = scans.map((node) => node['Index Cond'] ?? '');
      expect([query.name, conditions.filter((one) => !one.includes('tenant_id = '))]).toEqual([query.name, []]);
      expect(JSON.stringify(nodes)).not.toContain(side.ctx.tenant.id);
    }
  });
});

describe('GET /api/admin/db/slow-queries', () => {
  const ask = (order: string) =>
    api.must({ method: 'GET', path: '/api/admin/db/slow-queries', query: { order }, token: side.owner.token });

  interface Stats {
    readonly text: string;
    readonly fingerprint: string;
  }
  const statementsOf = ({ name, statements }: { readonly name: string; readonly statements: readonly Stats[] }) =>
    statements.map((one) => ({ server: name, ...one }));

  it('[B-091] shows the statements that took longest, by database, at most 20 of each, with no value in them', async () => {
    await api.db.asAdmin('shard-1', 'select statements.pg_stat_statements_reset()');
    for (let n = 0; n < 5; n += 1)
      await api.must({
        ...{ method: 'POST', path: '/api/v1/patients/search', token: side.owner.token },
        body: { family: sharedPatient.family, birthDate: sharedPatient.birthDate },
      });
    const { json, text } = await ask('total');
    expect(json.servers.map(({ name, ok }: { name: string; ok: boolean }) => [name, ok])).toEqual(
      ['directory', 'shard-1', 'shard-1 replica-1', 'shard-2'].map((name) => [name, true]),
    );
    for (const { statements } of json.servers) {
      const totals = statements.map(({ totalMs }: { totalMs: number }) => totalMs);
      expect(totals).toEqual([...totals].sort((a: number, b: number) => b - a));
      expect(statements.length).toBeLessThanOrEqual(20);
    }
    const search = json.servers.flatMap(statementsOf).find((one: Stats) => one.text.includes('join patient_token'));
    expect(search).toMatchObject({
      calls: expect.any(Number),
      totalMs: expect.any(Number),
      fingerprint: expect.stringMatching(/^-?\d+$/),
    });
    expect(search.text).toContain('t.tenant_id = $1');
    for (const value of [sharedPatient.family, sharedPatient.birthDate, side.ctx.tenant.id, side.patientId])
      expect(text.toLowerCase()).not.toContain(value.toLowerCase());
    expect((await ask('mean')).json.order).toBe('mean');
  });

  it('is not for everybody, and says of a database without the extension what it lacks', async () => {
    const path = '/api/admin/db/slow-queries';
    expect((await api.call({ method: 'GET', path, token: side.colleague.token })).status).toBe(403);
    expect((await api.call({ method: 'GET', path, query: { order: 'x' }, token: side.owner.token })).status).toBe(422);
    await api.db.asAdmin('shard-2', 'drop extension pg_stat_statements');
    const { json } = await ask('max');
    expect(json.servers.map(({ name, error }: { name: string; error: string | null }) => [name, error])).toEqual([
      ['directory', null],
      ['shard-1', null],
      ['shard-1 replica-1', null],
      ['shard-2', 'statements.not_installed'],
    ]);
  });

  it('[C-010] names each statement by the fingerprint whose plan can be asked for, in which no value stands', async () => {
    const { servers } = (await ask('total')).json;
    const search = servers.flatMap(statementsOf).find((one: Stats) => one.text.includes('join patient_token'));
    const plan = await api.db.sharding.planOfStatement(search.server, search.fingerprint);
    expect(plan.join('\n')).toMatch(/on patient_token t/);
    expect(plan.join('\n')).toMatch(/\$\d/);
    for (const value of [side.ctx.tenant.id, side.patientId]) expect(plan.join('\n')).not.toContain(value);
    for (const unknown of ['1', 'x', `1 or true`, '9'.repeat(30)])
      await expect(api.db.sharding.planOfStatement('shard-1', unknown)).rejects.toMatchObject({
        code: 'statements.unknown',
      });
  });
});
