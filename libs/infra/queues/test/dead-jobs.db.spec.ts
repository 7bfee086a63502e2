import { FixedClock, newId, type TenantContext, toDate } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { type DeadJobsPage, listDeadJobs } from '../src/index.js';

const startMs = Date.parse('2026-12-01T09:00:00Z');
const perDatabase = 40;
let db: TestDatabases;
const tenants: Record<string, TenantContext> = {};

beforeAll(async () => {
  db = await openTestDatabases({ clock: new FixedClock(startMs), env: { DB_ACQUIRE_TIMEOUT: '1000' } });
  for (const shardId of ['shard-1', 'shard-2']) tenants[shardId] = await db.newTenant({ shardId });
  const places = [['directory', 'shard-1'] as const, ['shard-1', 'shard-1'] as const, ['shard-2', 'shard-2'] as const];
  for (const [n, [database, of]] of places.entries())
    await db.asAdmin(
      database,
      `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at, attempts, finished_at, outcome, error_code)
       select $1::uuid, gen_random_uuid(), 'job', 'letter.send', 'k', '{"name":"Zebulon"}', 'r', $2, $2, 5,
              $2::timestamptz + ((k * 3 + $3) / 2) * interval '1 second', case k % 10 when 9 then 'done' else 'dead' end, 'job.failed'
         from generate_series(1, $4::int) k`,
      [tenants[of]!.tenant.id, toDate(startMs), n, perDatabase],
    );
});
afterAll(() => db?.close());

const page = (limit: number, cursor: string | null = null) =>
  listDeadJobs(db.sharding, db.newContext(), { limit, cursor });

/** All pages from here on. */
async function walk(limit: number, first: DeadJobsPage): Promise<DeadJobsPage[]> {
  const pages = [first];
  for (let last = first; last.cursor !== null && pages.length < 100; ) {
    last = await page(limit, last.cursor);
    pages.push(last);
  }
  return pages;
}

describe('the list of jobs that were given up', () => {
  it('is one list of the directory and all shards, newest first, without what the jobs are about', async () => {
    const jobs = (await walk(7, await page(7))).flatMap((one) => one.jobs);
    expect(jobs).toHaveLength(3 * perDatabase * 0.9);
    expect(jobs).toEqual([...jobs].sort((a, b) => b.deadAt - a.deadAt || (a.id < b.id ? 1 : -1)));
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(jobs.length);
    expect(new Set(jobs.map(({ database }) => database))).toEqual(new Set(['directory', 'shard-1', 'shard-2']));
    expect(JSON.stringify(jobs)).not.toContain('Zebulon');
  });

  it('goes on where it was when a shard that was away is back, and names it meanwhile', async () => {
    const whole = (await walk(50, await page(50))).flatMap(({ jobs }) => jobs);
    const first = await page(10);
    const asked = db.databases.relay.bind(db.databases);
    const away = jest.spyOn(db.databases, 'relay').mockImplementation((name) => {
      if (name !== 'shard-2') return asked(name);
      throw Object.assign(new Error('connection refused'), { code: '08006' });
    });
    const without = await page(10, first.cursor);
    away.mockRestore();
    expect(without.databases.filter(({ ok }) => !ok)).toEqual([
      { id: 'shard-2', ok: false, ms: expect.any(Number), error: '08006' },
    ]);
    expect(without.jobs.some(({ database }) => database === 'shard-2')).toBe(false);
    const rest = (await walk(10, await page(10, without.cursor))).flatMap(({ jobs }) => jobs);
    const seen = [...first.jobs, ...without.jobs, ...rest].map(({ id }) => id);
    expect(seen).toHaveLength(whole.length);
    expect(new Set(seen)).toEqual(new Set(whole.map(({ id }) => id)));
  });

  it('reads a range of its own index in each database, and refuses a cursor that somebody made up', async () => {
    await db.asAdmin(
      'shard-2',
      `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at, finished_at, outcome)
       select gen_random_uuid(), gen_random_uuid(), 'job', 'n', 'k', '{}', 'r', $1, $1, $1,
              case n % 20 when 0 then 'dead' else 'done' end from generate_series(1, 10000) n`,
      [toDate(startMs - 1_000)],
    );
    await db.asAdmin('shard-2', 'vacuum analyze outbox');
    const plans = await db.sharding.readEachShard(
      db.newContext(),
      (system) =>
        system.db.query<{ 'QUERY PLAN': string }>(
          `explain select id from outbox where outcome = 'dead' and kind = 'job' and (finished_at, id) < ($1, $2)
            order by finished_at desc, id desc limit 10`,
          [toDate(startMs + 9_000), newId()],
        ),
      { only: ['shard-2'] },
    );
    const [plan] = plans.data;
    expect(plan?.value.map((row) => row['QUERY PLAN']).join('\n')).toMatch(
      /Index Scan using outbox_job_dead\b.*\n.*Index Cond: \(ROW\(finished_at, id\) </,
    );
    for (const cursor of ['made-up', Buffer.from('{"shard-1":{"after":7}}').toString('base64url')])
      await expect(page(10, cursor)).rejects.toMatchObject({ code: 'jobs.page_invalid' });
  });

  it('is read on a replica where one is in rotation, and can change nothing there or on the primary', async () => {
    await db.databases.shard('shard-1').poll();
    await db.databases.shard('shard-1').poll();
    const where = () =>
      db.sharding.readEachShard(db.newContext(), async ({ db: reader }) => {
        const [row] = await reader.query<{ standby: boolean; role: string }>(
          'select pg_is_in_recovery() as standby, current_user::text as role',
        );
        return row;
      });
    let answered = await where();
    for (let n = 0; n < 100 && !answered.data[0]?.value?.standby; n += 1) {
      await db.databases.shard('shard-1').poll();
      answered = await where();
    }
    expect(answered.data).toEqual([
      { id: 'shard-1', value: { standby: true, role: 'praxis_relay' } },
      { id: 'shard-2', value: { standby: false, role: 'praxis_relay' } },
    ]);
    const { shards } = await db.sharding.readEachShard(db.newContext(), ({ db: reader }) =>
      reader.query(`update outbox set error_code = null`),
    );
    expect(shards.map(({ ok, error }) => [ok, error])).toEqual([
      [false, '25006'],
      [false, '25006'],
    ]);
  });
});
