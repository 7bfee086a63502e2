import { randomBytes } from 'node:crypto';
import { newId, type Plan } from '#infra/kernel';
import { CompiledProduct, openTestDatabases, type TestDatabases } from '#infra/testing';
import { RunningProcess } from './running-process.js';

let compiled: CompiledProduct;
let db: TestDatabases;
beforeAll(async () => {
  compiled = new CompiledProduct('apps', 'libs', 'migrations');
  db = await openTestDatabases();
}, 60_000);
afterAll(async () => {
  await db?.close();
  compiled?.remove();
});

const slotMs = 45_000;

/** A tenant with so many locations, that has made so many requests a moment ago. */
async function tenantOf(plan: Plan, locations: number, requests: number): Promise<void> {
  const shardId = 'shard-2';
  const { tenant } = await db.newTenant({ plan, shardId });
  const ids = Array.from({ length: locations }, () => newId());
  await db.asAdmin(
    shardId,
    `insert into location (tenant_id, id, name, tz, created_at, updated_at)
     select $1, id, 'Branch', 'Etc/UTC', now(), now() from unnest($2::uuid[]) as id`,
    [tenant.id, ids],
  );
  await db.redis.ready('limits', 10_000);
  const redis = db.redis.get('limits');
  const [seconds] = await redis.time();
  await redis.hset(`limits:{t:${tenant.id}}:tenant-plan`, Math.floor((Number(seconds) * 1_000) / slotMs), requests);
}

describe('praxis limits report', () => {
  it('[E-105] tells for each plan and each of its limits what share of its tenants comes near to it', async () => {
    await tenantOf('FREE', 2, 0);
    await tenantOf('FREE', 1, 400);
    await tenantOf('FREE', 0, 500);
    await tenantOf('FREE', 0, 399);
    await tenantOf('BASIC', 8, 0);
    await tenantOf('BASIC', 7, 1_600);
    await tenantOf('ENTERPRISE', 50, 3);
    const env = { ...db.env, TOKEN_SIGNING_KEY: randomBytes(32).toString('base64') };
    const running = new RunningProcess(compiled.program('apps/cli/src/main.ts'), ['limits', 'report'], env);
    const { code } = await running.exited;
    expect([code, running.err]).toEqual([0, []]);
    const tiers = running.out.map((line) => JSON.parse(line));
    const of = (plan: Plan, limit: string) => tiers.find((tier) => tier.plan === plan && tier.limit === limit);
    expect(of('FREE', 'locations')).toEqual({
      ...{ plan: 'FREE', limit: 'locations', tenants: 4 },
      ...{ near: 1, full: 1, nearShare: 0.25 },
    });
    expect(of('FREE', 'requests')).toMatchObject({ tenants: 4, near: 2, full: 1, nearShare: 0.5 });
    expect(of('FREE', 'patients')).toMatchObject({ tenants: 4, near: 0, full: 0, nearShare: 0 });
    expect(of('BASIC', 'locations')).toMatchObject({ tenants: 2, near: 1, full: 0, nearShare: 0.5 });
    expect(of('BASIC', 'requests')).toMatchObject({ tenants: 2, near: 1, full: 0, nearShare: 0.5 });
    // Who has no quotas has a limit of requests.
    expect(tiers.filter(({ plan }) => plan === 'ENTERPRISE').map(({ limit }) => limit)).toEqual(['requests']);
    const quotas = ['users', 'patients', 'members', 'orders', 'products', 'exams', 'locations', 'storageBytes'];
    expect(
      tiers
        .filter(({ plan }) => plan === 'FREE')
        .map(({ limit }) => limit)
        .toSorted(),
    ).toEqual([...quotas, 'requests'].toSorted());
  }, 60_000);
});
