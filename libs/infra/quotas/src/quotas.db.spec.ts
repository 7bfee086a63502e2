import { FixedClock, isAppError, type Plan, type TenantContext, toDate } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import { createLog, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { planLimits } from './quota.js';
import { QuotaOverrides } from './quota-overrides.js';
import { QuotaRecount } from './quota-recount.js';
import { QuotaStatus, statusTtlMs } from './quota-status.js';
import { quotaReached } from './quotas.facts.js';
import { Quotas } from './quotas.js';
import { limitsSettleMs } from './tenant-limits.js';

const start = Date.parse('2026-11-21T09:00:00Z');
const clock = new FixedClock(start);
const lines: string[] = [];
const processIdentity = { app: 'test', version: '0' } as const;
const to = { write: (line: string) => void lines.push(line) };
const log = createLog({ level: 'info', service: 'test' }, { ...processIdentity, to });

let db: TestDatabases;
let metrics: Metrics;
let quotas: Quotas;
let status: QuotaStatus;
let recount: QuotaRecount;
let overrides: QuotaOverrides;

beforeAll(async () => {
  // Three hundred at once wait for twenty connections, on a busy machine longer than 2 s.
  db = await openTestDatabases({ clock, env: { DB_ACQUIRE_TIMEOUT: '30000' } });
  metrics = new Metrics({ config: { monitoring: true, service: 'test' }, identity: processIdentity, log });
  const parts = { sharding: db.sharding, clock, log, metrics };
  quotas = new Quotas(parts);
  status = new QuotaStatus(parts);
  recount = new QuotaRecount(parts);
  overrides = new QuotaOverrides({ sharding: db.sharding, audit: db.audit });
});
afterAll(() => db?.close());
beforeEach(() => {
  clock.set(start);
  lines.length = 0;
});

const newTenant = async (plan: Plan = 'FREE'): Promise<TenantContext> => ({
  ...(await db.newTenant({ plan, shardId: 'shard-1' })),
  deadline: Number.MAX_SAFE_INTEGER,
});
const slugOf = async ({ tenant }: TenantContext) => (await db.sharding.tenants.byId(tenant.id)).slug;

const insertPatients = (tx: WriteContext, count: number): void =>
  tx.db.send(
    `insert into patient (tenant_id, id, demographics, created_by, created_at, updated_at)
     select $1, gen_random_uuid(), '', 'test', $2, $2 from generate_series(1, $3)`,
    [tx.tenant.id, toDate(clock.now()), count],
  );
const make = (ctx: TenantContext, count = 1): Promise<void> =>
  quotas.refusing(
    ctx,
    db.sharding.write(ctx, async (tx) => {
      insertPatients(tx, count);
      await quotas.consume(tx, 'patients', count);
    }),
  );
/** As something would that goes by a plan without limits, or by no quota at all. */
const makeUnreckoned = (ctx: TenantContext, count = 1): Promise<void> =>
  db.sharding.write(ctx, async (tx) => insertPatients(tx, count));
const codeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : Promise.reject(error)),
  );
const timesOf = (codes: readonly string[], wanted: string) => codes.filter((code) => code === wanted).length;
const patients = async ({ tenant }: TenantContext): Promise<number> => {
  const [row] = await db.asAdmin<{ n: number }>(
    'shard-1',
    'select count(*)::int as n from patient where tenant_id = $1',
    [tenant.id],
  );
  return row!.n;
};
const rowOf = async ({ tenant }: TenantContext, resource = 'patients') => {
  const [row] = await db.asAdmin<{ used: number; counted_at: Date }>(
    'shard-1',
    'select used::int, counted_at from quota_usage where tenant_id = $1 and resource = $2',
    [tenant.id, resource],
  );
  return row;
};
const levels = async ({ tenant }: TenantContext) =>
  db.asAdmin<{ name: string; payload: { level: number } }>(
    'shard-1',
    `select name, payload from outbox where tenant_id = $1 and kind = 'fact' order by id`,
    [tenant.id],
  );

describe('a limit', () => {
  it('lets exactly as many through as it names, whoever comes first and however many come at once', async () => {
    const ctx = await newTenant();
    const codes = await Promise.all(Array.from({ length: 300 }, () => codeOf(make(ctx))));
    expect(timesOf(codes, 'done')).toBe(100);
    expect(timesOf(codes, 'quota.exceeded')).toBe(200);
    expect(await patients(ctx)).toBe(100);
    expect(await rowOf(ctx)).toMatchObject({ used: 100 });
  });

  it('is taken at once for many, or for none of them', async () => {
    const ctx = await newTenant();
    await make(ctx, 60);
    expect(await codeOf(make(ctx, 41))).toBe('quota.exceeded');
    expect(await patients(ctx)).toBe(60);
    await make(ctx, 40);
    expect(await codeOf(make(ctx))).toBe('quota.exceeded');
  });

  it('takes nothing where the transaction fails for another reason', async () => {
    const ctx = await newTenant();
    await make(ctx, 50);
    const failing = db.sharding.write(ctx, async (tx) => {
      insertPatients(tx, 50);
      await quotas.consume(tx, 'patients', 50);
      throw new Error('something else');
    });
    await expect(failing).rejects.toThrow('something else');
    expect(await rowOf(ctx)).toMatchObject({ used: 50 });
  });

  it('counts what was there before it was reckoned, once, also when many come first', async () => {
    const ctx = await newTenant();
    await makeUnreckoned(ctx, 70);
    const codes = await Promise.all(Array.from({ length: 50 }, () => codeOf(make(ctx))));
    expect(timesOf(codes, 'done')).toBe(30);
    expect(await patients(ctx)).toBe(100);
    expect(await rowOf(ctx)).toMatchObject({ used: 100 });
  });

  it('waits for whoever takes away while it counts for the first time', async () => {
    const ctx = await newTenant();
    await makeUnreckoned(ctx, 3);
    const [taken, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const taking = db.sharding.write(ctx, async (tx) => {
      await quotas.release(tx, 'patients');
      await tx.db.query('select 1');
      taken.resolve();
      await done.promise;
    });
    await taken.promise;
    const making = make(ctx);
    const waits = async () =>
      (await db.asAdmin('shard-1', `select from pg_locks where locktype = 'advisory' and not granted`)).length > 0;
    while (!(await waits())) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await rowOf(ctx)).toBeUndefined();
    done.resolve();
    await Promise.all([taking, making]);
    expect(await rowOf(ctx)).toMatchObject({ used: 4 });
  });

  it('that is reached names the plan that allows more, and how many', async () => {
    const ctx = await newTenant();
    await make(ctx, 100);
    const refusal = await make(ctx).catch((error: unknown) => error);
    if (!isAppError(refusal)) throw refusal;
    expect(refusal).toMatchObject({ kind: 'forbidden', code: 'quota.exceeded' });
    expect(refusal.options.extra).toEqual({
      resource: 'patients',
      limit: 100,
      upgrade: { plan: 'BASIC', limit: planLimits.BASIC.patients, url: '/api/v1/plans' },
    });
    expect((await metrics.expose()).body).toContain('quota_refusals_total{resource="patients"}');
  });

  it('gives back what was removed, and no more than there is', async () => {
    const ctx = await newTenant();
    await make(ctx, 100);
    await db.sharding.write(ctx, async (tx) => quotas.release(tx, 'patients', 2));
    expect(await rowOf(ctx)).toMatchObject({ used: 98 });
    await db.sharding.write(ctx, async (tx) => quotas.release(tx, 'patients', 1_000));
    expect(await rowOf(ctx)).toMatchObject({ used: 0 });
  });

  it('of a month begins anew with the next, and what was made before it gives nothing back', async () => {
    const ctx = await newTenant();
    const consume = () =>
      codeOf(
        quotas.refusing(
          ctx,
          db.sharding.write(ctx, (tx) => quotas.consume(tx, 'orders', 60)),
        ),
      );
    expect(await consume()).toBe('done');
    await db.asAdmin('shard-1', `update quota_usage set used = 60 where tenant_id = $1`, [ctx.tenant.id]);
    expect(await consume()).toBe('quota.exceeded');
    clock.set(Date.parse('2026-12-01T00:00:00Z'));
    expect(await consume()).toBe('done');
    await db.asAdmin('shard-1', `update quota_usage set used = 60 where tenant_id = $1`, [ctx.tenant.id]);
    await db.sharding.write(ctx, (tx) => quotas.release(tx, 'orders', 1, start));
    expect(await rowOf(ctx, 'orders')).toMatchObject({ used: 60 });
    await db.sharding.write(ctx, (tx) => quotas.release(tx, 'orders', 1, clock.now()));
    expect(await rowOf(ctx, 'orders')).toMatchObject({ used: 59 });
  });

  it('touches no row of a tenant whose plan has none', async () => {
    const ctx = await newTenant('ENTERPRISE');
    await make(ctx, 1_000);
    expect(await rowOf(ctx)).toBeUndefined();
  });
});

describe('80, 95 and 100 % of a limit', () => {
  it('are told once each, when they are reached, to the tenant and to operators', async () => {
    const ctx = await newTenant();
    for (const count of [79, 1, 1, 14, 4, 1]) await make(ctx, count);
    expect(await codeOf(make(ctx))).toBe('quota.exceeded');
    const told = await levels(ctx);
    expect(told.map(({ name, payload }) => [name, payload.level])).toEqual([
      ['quota.reached', 80],
      ['quota.reached', 95],
      ['quota.reached', 100],
    ]);
    for (const { payload } of told) expect(quotaReached.payload.safeParse(payload).error).toBeUndefined();
    expect(lines.filter((line) => line.includes('quota.reached'))).toHaveLength(3);
    expect((await metrics.expose()).body).toContain('quota_levels_reached_total{resource="patients",level="95"} ');
  });

  it('are not told where the transaction fails', async () => {
    const ctx = await newTenant();
    const failing = db.sharding.write(ctx, async (tx) => {
      insertPatients(tx, 90);
      await quotas.consume(tx, 'patients', 90);
      throw new Error('something else');
    });
    await expect(failing).rejects.toThrow();
    expect(await levels(ctx)).toEqual([]);
  });
});

describe('a change of plan', () => {
  it('to a smaller one keeps all there is and lets nothing be added', async () => {
    const ctx = await newTenant('ENTERPRISE');
    await make(ctx, 250);
    const { plan } = await db.sharding.tenants.changePlan(ctx.tenant.id, 'FREE');
    expect(plan).toBe('FREE');
    expect(await codeOf(make(ctx))).toBe('quota.exceeded');
    expect(await patients(ctx)).toBe(250);
    expect((await status.read(ctx)).resources.find(({ resource }) => resource === 'patients')).toMatchObject({
      used: 250,
      limit: 100,
      percent: 250,
      level: 100,
    });
  });

  it('to a larger one holds at once', async () => {
    const ctx = await newTenant();
    await make(ctx, 100);
    await db.sharding.tenants.changePlan(ctx.tenant.id, 'BASIC');
    expect(await codeOf(make(ctx))).toBe('done');
  });

  it('counts again when no process can still go by the plan before', async () => {
    const ctx = await newTenant('ENTERPRISE');
    await db.sharding.tenants.changePlan(ctx.tenant.id, 'FREE');
    await make(ctx, 10);
    await makeUnreckoned(ctx, 89);
    expect(await rowOf(ctx)).toMatchObject({ used: 10 });
    clock.advance(limitsSettleMs);
    expect(await codeOf(make(ctx))).toBe('done');
    expect(await rowOf(ctx)).toMatchObject({ used: 100 });
    expect(await codeOf(make(ctx))).toBe('quota.exceeded');
  });

  it('can be one limit of the tenant’s own, and back', async () => {
    const ctx = await newTenant('ENTERPRISE');
    const slug = await slugOf(ctx);
    await overrides.set(ctx, slug, 'patients', 2);
    const codes = await Promise.all(Array.from({ length: 5 }, () => codeOf(make(ctx))));
    expect(timesOf(codes, 'done')).toBe(2);
    await overrides.set(ctx, slug, 'patients', 'plan');
    expect(await codeOf(make(ctx, 50))).toBe('done');
    await overrides.set(ctx, slug, 'patients', null);
    expect((await db.sharding.tenants.byId(ctx.tenant.id)).quotaOverrides).toEqual({ patients: null });
    const audited = await db.asAdmin<{ action: string; fields: string[] }>(
      'directory',
      'select action, fields from audit_event where tenant_id = $1 order by id',
      [ctx.tenant.id],
    );
    expect(audited).toEqual(Array(3).fill({ action: 'tenant.change_quota', fields: ['patients'] }));
  });

  it('keeps the count that a refusal made, so that the next refusal counts nothing', async () => {
    const ctx = await newTenant('ENTERPRISE');
    await make(ctx, 150);
    await db.sharding.tenants.changePlan(ctx.tenant.id, 'FREE');
    expect(await rowOf(ctx)).toBeUndefined();
    expect(await codeOf(make(ctx))).toBe('quota.exceeded');
    expect(await rowOf(ctx)).toMatchObject({ used: 150 });
  });
});

describe('what people are shown', () => {
  const ofPatients = async (ctx: TenantContext) =>
    (await status.read(ctx)).resources.find(({ resource }) => resource === 'patients');

  it('[E-046] is up to 60 s old, while what is refused never is', async () => {
    const ctx = await newTenant();
    await make(ctx, 99);
    expect(await ofPatients(ctx)).toMatchObject({ used: 99, limit: 100, percent: 99, resetAt: null });
    await make(ctx);
    expect(await codeOf(make(ctx))).toBe('quota.exceeded');
    clock.advance(statusTtlMs - 1);
    expect(await ofPatients(ctx)).toMatchObject({ used: 99 });
    clock.advance(1);
    expect(await ofPatients(ctx)).toMatchObject({ used: 100, percent: 100, level: 100 });
  });

  it('is counted where nothing is reckoned yet, with and without a limit', async () => {
    const [free, enterprise] = [await newTenant(), await newTenant('ENTERPRISE')];
    await makeUnreckoned(free, 7);
    await make(enterprise, 7);
    expect(await ofPatients(free)).toMatchObject({ used: 7, limit: 100 });
    expect(await ofPatients(enterprise)).toMatchObject({ used: 7, limit: null, percent: null, level: 0 });
    const { resources } = await status.read(free);
    expect(resources.map(({ resource, resetAt }) => [resource, resetAt])).toContainEqual([
      'orders',
      Date.parse('2026-12-01T00:00:00Z'),
    ]);
  });
});

describe('the nightly count', () => {
  it('finds nothing wrong after a busy day, of any tenant', async () => {
    const ctx = await newTenant();
    await Promise.all(Array.from({ length: 30 }, () => make(ctx)));
    // What the tests above took away without removing anything.
    await db.asAdmin('shard-1', 'update quota_usage q set used = 0 where resource = $1', ['orders']);
    await recount.run(db.newContext());
    expect(await recount.run(db.newContext())).toMatchObject({ drifted: 0 });
    expect(await rowOf(ctx)).toMatchObject({ used: 30 });
  });

  it('mends a row that says something else than there is, and says by how much', async () => {
    const ctx = await newTenant();
    await make(ctx, 10);
    await makeUnreckoned(ctx, 3);
    expect(await recount.tenant(db.newContext(), ctx.tenant.id)).toBe(1);
    expect(await rowOf(ctx)).toMatchObject({ used: 13 });
    expect(lines.find((line) => line.includes('quota.drifted'))).toMatch(/"praxis.count":3/);
    expect((await metrics.expose()).body).toContain('quota_drift_total{resource="patients"}');
    expect(await recount.tenant(db.newContext(), ctx.tenant.id)).toBe(0);
  });

  it('keeps what tenants without limits have, and calls none of it drift', async () => {
    const ctx = await newTenant('ENTERPRISE');
    await make(ctx, 12);
    expect(await recount.tenant(db.newContext(), ctx.tenant.id)).toBe(0);
    expect(await rowOf(ctx)).toMatchObject({ used: 12 });
    await make(ctx, 5);
    clock.advance(86_400_000);
    expect(await recount.tenant(db.newContext(), ctx.tenant.id)).toBe(0);
    expect(await rowOf(ctx)).toMatchObject({ used: 17, counted_at: toDate(clock.now()) });
  });

  it('goes on past a tenant that cannot be looked at, and says so in the end', async () => {
    const [ctx, lost] = [await newTenant(), await newTenant()];
    await make(ctx, 5);
    await makeUnreckoned(ctx, 1);
    await db.asAdmin('shard-1', `update tenant_fence set state = 'fenced' where tenant_id = $1`, [lost.tenant.id]);
    await expect(recount.run(db.newContext())).rejects.toMatchObject({ code: 'quota.not_recounted' });
    expect(await rowOf(ctx)).toMatchObject({ used: 6 });
    await db.asAdmin('shard-1', `update tenant_fence set state = 'open' where tenant_id = $1`, [lost.tenant.id]);
  });

  it('misses nothing that is made while it counts', async () => {
    const ctx = await newTenant();
    const making = Array.from({ length: 60 }, () => make(ctx));
    const counting = Array.from({ length: 10 }, () => recount.tenant(db.newContext(), ctx.tenant.id));
    await Promise.all([...making, ...counting]);
    expect(await rowOf(ctx)).toMatchObject({ used: 60 });
    expect(await Promise.all(counting)).toEqual(counting.map(() => 0));
  });
});

it('is seen and changed by nobody outside its tenant', async () => {
  const ctx = await newTenant();
  await make(ctx);
  expect(await db.asApp('shard-1', 'select from quota_usage')).toEqual([]);
  const stranger = await newTenant();
  const seen = await db.sharding.read(stranger, (tx) => tx.db.query('select from quota_usage'));
  expect(seen).toEqual([]);
});
