import { Cache, cacheConfig } from '#infra/cache';
import { parseConfig } from '#infra/config';
import { isAppError, newId, type TenantContext } from '#infra/kernel';
import { Catalogue, Nudge, Outbox } from '#infra/queues';
import { Quotas } from '#infra/quotas';
import { createLog, Metrics } from '#infra/telemetry';
import type { TestDatabases } from '#infra/testing';
import { type LocalDate, minuteOfInstant } from '#infra/time';
import { appointmentFacts } from '../src/appointments.facts.js';
import { appointmentJobs } from '../src/appointments.jobs.js';
import { AppointmentsService } from '../src/appointments.service.js';
import { AvailabilityService } from '../src/availability.service.js';
import { BookingService, type NewBooking } from '../src/booking.service.js';
import { CalendarService } from '../src/calendar.service.js';
import type { LocationId, NewService, ServiceId } from '../src/catalogue.js';
import { CatalogueService } from '../src/catalogue.service.js';
import type { ResourceId, ResourceKind } from '../src/resource.js';
import type { WeeklyRule } from '../src/schedule.js';

const identity = { app: 'test', version: '0.0.0' };
export const instantAt = (text: string): number => Date.parse(text);
export const minuteAt = (text: string): number => minuteOfInstant(Date.parse(text));

/** The domain as an app wires it, on databases of a spec. */
export function openServices(db: TestDatabases) {
  const { sharding, audit, crypto, clock, redis } = db;
  const log = createLog({ level: 'error', service: 'test' }, identity);
  const metrics = new Metrics({ config: { monitoring: true, service: 'test' }, identity, log });
  const outbox = new Outbox(
    new Catalogue({ jobs: appointmentJobs, facts: appointmentFacts }),
    new Nudge(redis, log),
    clock,
  );
  const quotas = new Quotas({ sharding, clock, log, metrics });
  const parts = { sharding, audit, outbox, crypto, metrics, clock, quotas };
  const { cache: config } = parseConfig({ cache: cacheConfig }, db.env);
  const cache = new Cache({ config, redis, crypto, audit, log, metrics, clock });
  const availability = new AvailabilityService(sharding, clock);
  return {
    metrics,
    cache,
    availability,
    outbox,
    catalogue: new CatalogueService(sharding, audit, clock, quotas, cache, outbox),
    calendar: new CalendarService(sharding, audit, clock),
    booking: new BookingService(parts, availability),
    appointments: new AppointmentsService(parts),
  };
}
export type Services = ReturnType<typeof openServices>;

export interface Staffed {
  readonly kind: ResourceKind;
  readonly capacity?: number;
  /** None: every day from 09:00 to 17:00. */
  readonly rules?: readonly WeeklyRule[];
}

export const everyDay = (opens: number, closes: number): readonly WeeklyRule[] =>
  ([1, 2, 3, 4, 5, 6, 7] as const).map((weekday) => ({ weekday, opens, closes }));

/** A provider, a room with five minutes on both sides, and a device in the middle. */
export const laser: NewService = {
  name: 'Laser treatment',
  durationMin: 30,
  segments: [
    { kind: 'provider', offsetMin: 0, durationMin: 30 },
    { kind: 'room', offsetMin: -5, durationMin: 40 },
    { kind: 'device', offsetMin: 5, durationMin: 20 },
  ],
  grid: { stepMin: 15, anchor: 'midnight' },
  noticeMin: 0,
  horizonDays: 730,
};

export interface ClinicPlan {
  readonly tz?: string;
  readonly staff?: readonly Staffed[];
  readonly service?: NewService;
  readonly shardId?: string;
}

export interface Clinic {
  readonly ctx: TenantContext;
  readonly tz: string;
  readonly locationId: LocationId;
  readonly serviceId: ServiceId;
  readonly resourceIds: readonly ResourceId[];
}

/** A tenant of its own with one location, one service, and resources that all serve it. */
export async function newClinic(db: TestDatabases, services: Services, plan: ClinicPlan = {}): Promise<Clinic> {
  const { tz = 'UTC', staff = [{ kind: 'provider' }, { kind: 'room' }, { kind: 'device' }], service = laser } = plan;
  // Specs move the clock: nobody gives up waiting for that.
  const ctx = { ...(await db.newTenant({ shardId: plan.shardId ?? 'shard-1' })), deadline: Number.MAX_SAFE_INTEGER };
  const { id: locationId } = await services.catalogue.createLocation(ctx, { name: 'Clinic', tz });
  const { id: serviceId } = await services.catalogue.createService(ctx, service);
  const resourceIds: ResourceId[] = [];
  for (const [n, { kind, capacity = 1, rules = everyDay(540, 1_020) }] of staff.entries()) {
    const name = `${kind} ${n + 1}`;
    const { id } = await services.catalogue.createResource(ctx, { locationId, kind, name, capacity });
    await services.catalogue.putSkill(ctx, id, serviceId);
    await services.calendar.putSchedule(ctx, id, 1, [{ validFrom: '2020-01-01' as LocalDate, validTo: null, rules }]);
    resourceIds.push(id);
  }
  return { ctx, tz, locationId, serviceId, resourceIds };
}

/** The same tenant, seen by another request. */
export const again = (ctx: TenantContext, words: Partial<TenantContext> = {}): TenantContext => ({
  ...ctx,
  requestId: newId(),
  ...words,
});

export const bookingAt = ({ serviceId, locationId }: Clinic, start: string | number): NewBooking => ({
  serviceId,
  locationId,
  start: typeof start === 'number' ? start : instantAt(start),
  client: { name: 'Wilhelmina Canary' },
});

/** What every claim and every visit of a tenant must agree on; each list is empty where they do. */
export async function disagreements(db: TestDatabases, { ctx }: Clinic) {
  const tenant = [ctx.tenant.id];
  const [unclaimed, overclaimed, overlapping] = await Promise.all([
    db.asAdmin(
      'shard-1',
      `select s.appointment_id, s.resource_id from appointment_resource s join appointment a on a.id = s.appointment_id
        where a.tenant_id = $1 and a.status = 'booked' and not exists (
          select from time_claim c where c.appointment_id = s.appointment_id and c.resource_id = s.resource_id
            and c.lane = s.lane and c.start_min = s.start_min and c.end_min = s.end_min and c.kind = 1)`,
      tenant,
    ),
    db.asAdmin(
      'shard-1',
      `select c.appointment_id, c.resource_id from time_claim c where c.tenant_id = $1 and c.appointment_id is not null
         and not exists (select from appointment a join appointment_resource s on s.appointment_id = a.id
           where a.id = c.appointment_id and a.status = 'booked' and s.resource_id = c.resource_id and s.lane = c.lane
             and s.start_min = c.start_min and s.end_min = c.end_min)`,
      tenant,
    ),
    db.asAdmin(
      'shard-1',
      `select a.id, b.id from time_claim a join time_claim b on a.tenant_id = b.tenant_id and a.id < b.id
          and a.resource_id = b.resource_id and a.lane = b.lane and a.start_min < b.end_min and b.start_min < a.end_min
        where a.tenant_id = $1`,
      tenant,
    ),
  ]);
  return { unclaimed, overclaimed, overlapping };
}
export const noDisagreements = { unclaimed: [], overclaimed: [], overlapping: [] };

export async function deadlocksSoFar(db: TestDatabases): Promise<number> {
  const sql = 'select deadlocks::int as deadlocks from pg_stat_database where datname = current_database()';
  const [row] = await db.asAdmin<{ deadlocks: number }>('shard-1', sql);
  return row?.deadlocks ?? -1;
}

/** The code of a refusal, `done` where there is none; anything that nobody declared is thrown. */
export const codeOf = async (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : Promise.reject(error)),
  );

export async function startsOn({ availability }: Services, clinic: Clinic, date: string): Promise<readonly number[]> {
  const { ctx, serviceId, locationId } = clinic;
  const on = date as LocalDate;
  const { starts } = await availability.find(again(ctx), { serviceId, locationId, from: on, to: on });
  return starts.map(({ startMin }) => startMin);
}

/** Everything that a tenant's visits left in the tables, as text. */
export async function rowsOf(db: TestDatabases, { ctx }: Clinic): Promise<readonly string[]> {
  const tables = ['appointment', 'appointment_resource', 'appointment_history', 'time_claim', 'outbox', 'audit_event'];
  const rows = await Promise.all(
    tables.map((table) =>
      db.asAdmin<{ row: string }>('shard-1', `select t::text as row from ${table} t where tenant_id = $1 order by id`, [
        ctx.tenant.id,
      ]),
    ),
  );
  return rows.flat().map(({ row }) => row);
}
