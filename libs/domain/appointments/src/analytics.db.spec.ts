import { type Consistency, newId, type TenantContext } from '#infra/kernel';
import { type PlanNode, planTreesOf, type Sharding } from '#infra/sharding';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { addDays, type LocalDate, localDateOf, minuteOfInstant } from '#infra/time';
import { again, bookingAt, type Clinic, codeOf, newClinic, openServices, type Services } from '../test/clinic.js';
import { AnalyticsService } from './analytics.service.js';
import type { LocationId } from './catalogue.js';
import { appointmentQueries } from './hot-queries.js';

const day = (text: string) => text as LocalDate;
const [from, to] = [day('2027-03-01'), day('2027-03-31')];

/** What a transaction was. */
interface Seen {
  readonly replica: boolean;
  readonly longest: string;
}

let db: TestDatabases;
let services: Services;
let analytics: AnalyticsService;
const seen: Seen[] = [];

beforeAll(async () => {
  db = await openTestDatabases();
  services = openServices(db);
  analytics = new AnalyticsService(watched(db.sharding), services.cache, db.clock);
}, 60_000);
afterAll(() => db?.close());

/** Asks in each transaction that reads what it is, before it does what it is for. */
const watched = (sharding: Sharding) =>
  ({
    read: (ctx, fn, options) =>
      sharding.read(
        ctx,
        async (tx) => {
          const [row] = await tx.db.query<Seen>(
            `select pg_is_in_recovery() as replica, current_setting('statement_timeout') as longest`,
          );
          if (row) seen.push(row);
          return fn(tx);
        },
        options,
      ),
  }) satisfies Pick<Sharding, 'read'> as unknown as Sharding;

/** Somebody else of the company, who has written nothing. */
const manager = (ctx: TenantContext, consistency?: Consistency): TenantContext =>
  again(ctx, { actor: { kind: 'system', name: newId() }, ...(consistency ? { consistency } : {}) });
const figures = async (ctx: TenantContext, more: { readonly locationId?: LocationId } = {}) =>
  (await analytics.visits(ctx, { from, to, ...more })).value;

async function replicaAnswers({ ctx }: Clinic): Promise<void> {
  const answers = async () => {
    await db.databases.shard('shard-1').poll();
    await services.cache.forgetTenant(ctx);
    seen.length = 0;
    await figures(manager(ctx));
    return seen.at(-1)?.replica === true;
  };
  expect(await waitUntil(answers, 20_000)).toBe(true);
}

describe('figures of visits', () => {
  it('count each visit on the day that the clock of its own location shows, as it is now, and nobody else’s', async () => {
    const west = await newClinic(db, services, { tz: 'Pacific/Honolulu' });
    const elsewhere = await newClinic(db, services);
    const book = async (at: Clinic, start: string) =>
      (await services.booking.book(again(at.ctx), bookingAt(at, start))).id;
    // 16:00 on the wall of Honolulu, the next day in UTC.
    await book(west, '2027-03-01T16:00:00-10:00');
    const second = await book(west, '2027-03-02T11:00:00-10:00');
    const third = await book(west, '2027-03-02T10:00:00-10:00');
    await book(elsewhere, '2027-03-02T11:00:00Z');
    await services.appointments.cancel(again(west.ctx), second, 1, { reason: 'client_request' });
    await services.booking.reschedule(again(west.ctx), third, 1, { start: Date.parse('2027-03-31T11:00:00-10:00') });
    const booked = (date: string, visits: number) => ({
      date,
      visits: { booked: visits, cancelled: 0 },
      bookedMin: visits * 30,
    });
    const all = {
      days: [
        booked('2027-03-01', 1),
        { date: '2027-03-02', visits: { booked: 0, cancelled: 1 }, bookedMin: 0 },
        booked('2027-03-31', 1),
      ],
      services: [{ serviceId: west.serviceId, visits: { booked: 2, cancelled: 1 }, bookedMin: 60 }],
    };
    expect(await figures(again(west.ctx))).toEqual(all);
    expect(await figures(again(west.ctx), { locationId: west.locationId })).toEqual(all);
    const { id } = await services.catalogue.createLocation(again(west.ctx), { name: 'Empty', tz: 'UTC' });
    expect(await figures(again(west.ctx), { locationId: id })).toEqual({ days: [], services: [] });
    for (const unknown of [elsewhere.locationId, newId<LocationId>()])
      expect(await codeOf(figures(again(west.ctx), { locationId: unknown }))).toBe('location.not_found');
    const last = await analytics.visits(again(west.ctx), { from: to, to });
    expect(last.value.days).toEqual([booked('2027-03-31', 1)]);
  });

  it('[C-080] are read on a replica, in its own transaction, with a minute for each statement', async () => {
    const clinic = await newClinic(db, services);
    await replicaAnswers(clinic);
    expect(seen.at(-1)).toEqual({ replica: true, longest: '1min' });
  });

  it('show a write to whoever brings its token, and to others within five minutes', async () => {
    const clinic = await newClinic(db, services);
    expect((await figures(manager(clinic.ctx))).days).toEqual([]);
    const consistency: Consistency = { seen: null, written: null };
    await services.booking.book(again(clinic.ctx, { consistency }), bookingAt(clinic, '2027-03-05T11:00:00Z'));
    const token = { seen: consistency.written, written: null };
    expect(token.seen).toMatchObject({ database: 'shard-1' });
    expect((await figures(manager(clinic.ctx))).days).toEqual([]);
    expect((await figures(manager(clinic.ctx, token))).days).toHaveLength(1);
    const asked = seen.length;
    expect((await figures(manager(clinic.ctx, token))).days).toHaveLength(1);
    expect((await figures(manager(clinic.ctx))).days).toHaveLength(1);
    expect(seen).toHaveLength(asked);
  });

  it('are kept for less than five minutes while they change, and as long as the strategy says when they do not', async () => {
    const { ctx } = await newClinic(db, services);
    const livesMs = async (of: LocalDate) => {
      await analytics.visits(again(ctx), { from: of, to: of });
      const key = `c1:{t:${ctx.tenant.id}}:analytics:visits:1:${of}:${of}:all`;
      return db.redis.get('cache').pttl(key);
    };
    const today = localDateOf(minuteOfInstant(db.clock.now()), 'UTC');
    for (const changing of [today, addDays(today, -3), to]) {
      const lives = await livesMs(changing);
      expect([lives > 200_000, lives < 300_000]).toEqual([true, true]);
    }
    const settled = await livesMs(addDays(today, -4));
    expect(Math.abs(settled - 1_800_000)).toBeLessThan(182_000);
  });

  it('are refused to who may not see them, and of more days than 366', async () => {
    const { ctx } = await newClinic(db, services);
    const nobody = again(ctx, {
      actor: { kind: 'user', id: newId(), sessionId: newId(), permissions: new Set(['appointments.read']) },
    });
    expect(await codeOf(figures(nobody))).toBe('appointment.forbidden');
    const range = { from: day('2027-01-01'), to: day('2028-01-02') };
    expect(await codeOf(analytics.visits(again(ctx), range))).toBe('analytics.range_invalid');
  });
});

describe('figures of visits among the visits of many', () => {
  it('are counted from an index alone, of the whole company and of one location', async () => {
    const companies = [await newClinic(db, services), await newClinic(db, services), await newClinic(db, services)];
    for (const { ctx, locationId, serviceId } of companies)
      await db.asAdmin(
        'shard-1',
        `insert into appointment (tenant_id, id, location_id, service_id, status, start_min, end_min, duration_min,
           local_start, tz, tzdb_version, client, created_by, created_at, updated_at)
         select $1::uuid, gen_random_uuid(), $2, $3, 'booked', n * 45, n * 45 + 30, 30,
           timestamp '2026-09-01' + n * interval '45 minutes', 'UTC', '2026f', 'x', 'test', to_timestamp(0), to_timestamp(0)
           from generate_series(1, 8000) n`,
        [ctx.tenant.id, locationId, serviceId],
      );
    await db.asAdmin('shard-1', 'vacuum analyze appointment');
    const [{ ctx }] = companies as [Clinic];
    const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];
    for (const query of appointmentQueries.filter(({ name }) => name.startsWith('analytics.'))) {
      const nodes = (await planTreesOf(db.sharding, ctx, query)).flatMap(nodesOf);
      const reads = nodes.filter((node) => node['Relation Name'] !== undefined);
      const shapes = reads.map((node) => [node['Node Type'], node['Index Name']]);
      expect([query.name, shapes]).toEqual([query.name, [['Index Only Scan', 'appointment_by_day']]]);
      expect(reads[0]?.['Index Cond']).toMatch(/tenant_id = .*local_start/);
    }
  });
});
