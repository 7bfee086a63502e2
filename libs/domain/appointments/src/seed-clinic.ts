import type { Page, PageRequest, TenantContext } from '#infra/kernel';
import type { LocalDate, Weekday } from '#infra/time';
import type { CalendarService } from './calendar.service.js';
import type { LocationId, NewResource, NewService, ServiceId } from './catalogue.js';
import type { CatalogueService } from './catalogue.service.js';
import type { ResourceId } from './resource.js';
import type { WeeklyRule } from './schedule.js';

export interface SeededClinic {
  readonly locationId: LocationId;
  readonly tz: string;
  /** By name, as in `demoServices`. */
  readonly serviceIds: Readonly<Record<string, ServiceId>>;
  /** By name, as in `demoResources`. */
  readonly resourceIds: Readonly<Record<string, ResourceId>>;
}

export interface SeedDeps {
  readonly catalogue: CatalogueService;
  readonly calendar: CalendarService;
}

const clinic = { name: 'Harbour Clinic', tz: 'America/Vancouver' };
const everyQuarter = { grid: { stepMin: 15, anchor: 'midnight' }, noticeMin: 60, horizonDays: 180 } as const;

/** Offsets from the start of the visit: a room is taken five minutes longer on both sides, to be made ready. */
export const demoServices: readonly NewService[] = [
  {
    name: 'Assessment',
    durationMin: 45,
    segments: [
      { kind: 'provider', offsetMin: 0, durationMin: 45 },
      { kind: 'room', offsetMin: -5, durationMin: 55 },
    ],
    ...everyQuarter,
  },
  {
    name: 'Laser treatment',
    durationMin: 30,
    segments: [
      { kind: 'provider', offsetMin: 0, durationMin: 30 },
      { kind: 'room', offsetMin: -5, durationMin: 40 },
      { kind: 'device', offsetMin: 5, durationMin: 20 },
    ],
    ...everyQuarter,
  },
  {
    name: 'Follow-up',
    durationMin: 15,
    segments: [
      { kind: 'provider', offsetMin: 0, durationMin: 15 },
      { kind: 'room', offsetMin: 0, durationMin: 15 },
    ],
    ...everyQuarter,
  },
];

const days = (weekdays: readonly Weekday[], opens: number, closes: number): readonly WeeklyRule[] =>
  weekdays.map((weekday) => ({ weekday, opens: opens * 60, closes: closes * 60 }));

interface DemoResource extends Pick<NewResource, 'kind' | 'name'> {
  /** None: open whenever somebody needs it. */
  readonly hours?: readonly WeeklyRule[];
  readonly serves: readonly string[];
}

const all = demoServices.map(({ name }) => name);

export const demoResources: readonly DemoResource[] = [
  { kind: 'provider', name: 'Ada Lindqvist', hours: days([1, 2, 3, 4, 5], 9, 17), serves: all },
  { kind: 'provider', name: 'Noor Haddad', hours: days([1, 2, 3, 4], 8, 16), serves: all },
  {
    kind: 'provider',
    name: 'Sam Okafor',
    hours: days([2, 3, 4, 5, 6], 10, 18),
    serves: ['Laser treatment', 'Follow-up'],
  },
  { kind: 'room', name: 'Room 1', serves: all },
  { kind: 'room', name: 'Room 2', serves: all },
  { kind: 'device', name: 'Laser 1', serves: ['Laser treatment'] },
];

/** Since when the demo's hours are valid. */
const openSince = '2026-01-01' as LocalDate;
/** Everything that a demo tenant has fits on one page. */
const pageLimit = 100;

/** A small clinic in Vancouver to try things on. Finds by name what an earlier run has made. */
export async function seedClinic(ctx: TenantContext, { catalogue, calendar }: SeedDeps): Promise<SeededClinic> {
  const places = await byName((page) => catalogue.locations(ctx, page));
  const { id: locationId } = places.get(clinic.name) ?? (await catalogue.createLocation(ctx, clinic));
  const serviceIds: Record<string, ServiceId> = {};
  const services = await byName((page) => catalogue.services(ctx, page));
  for (const service of demoServices)
    serviceIds[service.name] = (services.get(service.name) ?? (await catalogue.createService(ctx, service))).id;
  const resourceIds: Record<string, ResourceId> = {};
  const resources = await byName((page) => catalogue.resources(ctx, { locationId }, page));
  for (const { kind, name, hours, serves } of demoResources) {
    const known = resources.get(name);
    const resource = known ?? (await catalogue.createResource(ctx, { locationId, kind, name, capacity: 1 }));
    resourceIds[name] = resource.id;
    for (const service of serves) await catalogue.putSkill(ctx, resource.id, serviceIds[service] as ServiceId);
    if (hours && resource.version === 1)
      await calendar.putSchedule(ctx, resource.id, 1, [{ validFrom: openSince, validTo: null, rules: hours }]);
  }
  return { locationId, tz: clinic.tz, serviceIds, resourceIds };
}

async function byName<T extends { readonly name: string }>(
  list: (page: PageRequest<never>) => Promise<Page<T, unknown>>,
): Promise<ReadonlyMap<string, T>> {
  const { items } = await list({ limit: pageLimit, after: null });
  return new Map(items.map((item) => [item.name, item]));
}
