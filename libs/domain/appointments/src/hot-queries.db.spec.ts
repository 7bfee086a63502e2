import { FixedClock, newId } from '#infra/kernel';
import type { ReadContext } from '#infra/sharding';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { type Clinic, instantAt, minuteAt, newClinic, openServices, type Services } from '../test/clinic.js';
import type { AppointmentId } from './appointment.js';
import { AppointmentsRepository } from './appointments.repository.js';
import { AvailabilityRepository } from './availability.repository.js';
import { CalendarRepository } from './calendar.repository.js';

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly PlanNode[];
}

const visits = 8_000;
const firstMin = minuteAt('2026-12-01T09:00:00Z');

let db: TestDatabases;
let services: Services;
let clinic: Clinic;

/** Two tenants with years of visits in the same tables, so that a wrong plan would be a slow one. */
beforeAll(async () => {
  db = await openTestDatabases({ clock: new FixedClock(instantAt('2026-11-20T12:00:00Z')) });
  services = openServices(db);
  clinic = await newClinic(db, services);
  for (const filled of [clinic, await newClinic(db, services)]) await fill(filled);
  await db.asAdmin('shard-1', 'vacuum analyze');
}, 60_000);
afterAll(() => db?.close());

async function fill({ ctx, locationId, serviceId, resourceIds }: Clinic): Promise<void> {
  const sql = {
    appointment: `insert into appointment (tenant_id, id, location_id, service_id, status, start_min, end_min, duration_min,
        local_start, tz, tzdb_version, client, created_by, created_at, updated_at)
      select $1::uuid, md5($1::uuid::text || n)::uuid, $2, $3, case n % 20 when 0 then 'cancelled' else 'booked' end,
        $4::int + n * 45, $4::int + n * 45 + 30, 30, timestamp '2026-12-01' + n * interval '45 minutes', 'UTC', '2026f',
        'x', 'test', to_timestamp(0), to_timestamp(0) from generate_series(0, $5::int - 1) n`,
    share: `insert into appointment_resource (tenant_id, id, appointment_id, resource_id, kind, lane, start_min, end_min)
      select $1::uuid, gen_random_uuid(), md5($1::uuid::text || n)::uuid, r, 'provider', 1, $2::int + n * 45, $2::int + n * 45 + 30
        from generate_series(0, $3::int - 1) n, unnest($4::uuid[]) r`,
    claim: `insert into time_claim (tenant_id, id, resource_id, start_min, end_min, kind, appointment_id)
      select $1::uuid, gen_random_uuid(), r, $2::int + n * 180, $2::int + n * 180 + 30, 1, md5($1::uuid::text || n)::uuid
        from generate_series(0, $3::int - 1) n, unnest($4::uuid[]) r`,
    history: `insert into appointment_history (tenant_id, id, appointment_id, version, event, status, start_min, end_min,
        local_start, tz, tzdb_version, resources, actor_kind, at)
      select tenant_id, gen_random_uuid(), id, 1, 'booked', status, start_min, end_min, local_start, tz, tzdb_version,
        '[]', 'system', created_at from appointment where tenant_id = $1`,
  };
  const tenant = ctx.tenant.id;
  await db.asAdmin('shard-1', sql.appointment, [tenant, locationId, serviceId, firstMin, visits]);
  await db.asAdmin('shard-1', sql.share, [tenant, firstMin, visits, resourceIds]);
  await db.asAdmin('shard-1', sql.claim, [tenant, firstMin, visits / 4, resourceIds]);
  await db.asAdmin('shard-1', sql.history, [tenant]);
}

/** PostgreSQL plans a prepared statement anew five times; then it decides whether one plan does for all. */
const settledAfter = 6;

/**
 * The plans of every statement that `run` sends, as the application's role has them within the tenant: at its first run,
 * once the plan has settled, or made without looking at the parameters.
 */
async function plansOf(run: (tx: ReadContext) => Promise<unknown>, when: 'first' | 'settled' | 'generic', at = clinic) {
  return db.sharding.read(at.ctx, async (tx) => {
    if (when === 'generic') await tx.db.query(`select set_config('plan_cache_mode', 'force_generic_plan', true)`);
    const plans: PlanNode[] = [];
    const query = async <Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> => {
      const name = `explained_${newId().replaceAll('-', '')}`;
      const execute = `execute ${name}${parameters.length > 0 ? `(${parameters.map(literal).join(', ')})` : ''}`;
      await tx.db.query(`prepare ${name} as ${sql}`);
      for (let n = 0; when === 'settled' && n < settledAfter; n += 1) await tx.db.query(execute);
      const [explained] = await tx.db.query<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
        `explain (format json) ${execute}`,
      );
      if (explained) plans.push(...nodesOf(explained['QUERY PLAN'][0].Plan));
      return tx.db.query<Row>(sql, parameters);
    };
    await run({ ...tx, db: { query } });
    return plans;
  });
}
const literal = (value: unknown): string => {
  if (value === null) return 'null';
  return typeof value === 'number' ? String(value) : `'${String(value)}'`;
};
const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];
const on = (nodes: readonly PlanNode[], table: string) => nodes.filter((node) => node['Relation Name'] === table);
const using = (nodes: readonly PlanNode[], index: string) => nodes.find((node) => node['Index Name'] === index);

describe('what is busy', () => {
  const busyPlans = async (at: Clinic, when: 'first' | 'settled' | 'generic') => {
    const { serviceId, locationId } = at;
    const asked = { serviceId, locationId, providerId: null, fromMin: firstMin, toMin: firstMin + 7 * 1_440 };
    const nodes = await plansOf((tx) => new AvailabilityRepository().load(tx, asked), when, at);
    return on(nodes, 'time_claim');
  };
  const oneRange = async (at: Clinic) => {
    for (const when of ['first', 'settled', 'generic'] as const) {
      const found = await busyPlans(at, when);
      const shape = found.map((node) => [when, node['Node Type'], node['Index Name']]);
      expect(shape).toEqual([[when, 'Index Only Scan', 'claim_read']]);
      for (const bound of ['tenant_id = ', 'ROW(resource_id, start_min) > ', 'ROW(resource_id, start_min) < '])
        expect(found[0]?.['Index Cond']).toContain(bound);
    }
  };

  it('is one range of claim_read per resource, read from the index alone, among years of visits', () =>
    oneRange(clinic));

  it('is so too while PostgreSQL knows nothing of the table, and when many tenants share it', async () => {
    const fresh = await newClinic(db, services, { shardId: 'shard-2' });
    await oneRange(fresh);
    const others = `insert into time_claim (tenant_id, id, resource_id, start_min, end_min, kind, appointment_id)
      select md5(t::text)::uuid, gen_random_uuid(), md5(t || '/' || n % 3)::uuid, n * 40, n * 40 + 30, 1, gen_random_uuid()
        from generate_series(1, 150) t, generate_series(1, 60) n`;
    await db.asAdmin('shard-2', others);
    await oneRange(fresh);
    await db.asAdmin('shard-2', 'vacuum analyze time_claim');
    await oneRange(fresh);
  });
});

describe.each(['first', 'settled'] as const)('at the %s run', (when) => {
  it.each([
    ['appointment_by_start', {}],
    ['appointment_by_location', { locationId: true }],
    ['appointment_by_status', { status: 'cancelled' }],
    ['appointment_resource_by_resource', { resourceId: true }],
    ['appointment_resource_by_resource', { resourceId: true, locationId: true, status: 'booked' }],
  ] as const)('a list of visits is one range of %s', async (index, filter: object) => {
    const asked = {
      ...filter,
      ...('locationId' in filter ? { locationId: clinic.locationId } : {}),
      ...('resourceId' in filter ? { resourceId: clinic.resourceIds[0]! } : {}),
      fromMin: firstMin + 1_440,
      toMin: firstMin + 8 * 1_440,
    };
    const after = { startMin: firstMin + 1_500, id: newId<AppointmentId>() };
    const nodes = await plansOf((tx) => new AppointmentsRepository().list(tx, asked, { limit: 50, after }), when);
    const condition = using(nodes, index)?.['Index Cond'] ?? '';
    expect(condition).toContain('start_min');
    const types = nodes.map((node) => node['Node Type']);
    expect(types).not.toContain('Seq Scan');
    // Only the few shares of each visit are put in order.
    expect(types.slice(0, types.indexOf('Aggregate'))).not.toContain('Sort');
  });

  it('a visit, its history and the obstacles of a block are found by their keys', async () => {
    const rows = new AppointmentsRepository();
    const [first] = (await db.sharding.read(clinic.ctx, (tx) => rows.list(tx, {}, { limit: 1, after: null }))).items;
    const nodes = await plansOf(async (tx) => {
      await rows.read(tx, first!.id);
      await rows.history(tx, first!.id, 200);
      await new CalendarRepository().obstacles(tx, clinic.resourceIds[0]!, firstMin, firstMin + 1_440);
    }, when);
    expect(nodes.map((node) => node['Node Type'])).not.toContain('Seq Scan');
    const used = ['appointment_pkey', 'appointment_resource_by_appointment', 'appointment_history_once', 'claim_read'];
    for (const index of used) expect([index, using(nodes, index) !== undefined]).toEqual([index, true]);
  });
});
