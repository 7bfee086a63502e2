import { z } from 'zod';
import {
  catalogueLimits,
  type Location,
  type LocationId,
  type Resource,
  type ResourceId,
  resourceKinds,
  type Service,
  type ServiceId,
} from '#domain/appointments';
import { idOf, line, listQuery, pageOf, versionNumber } from '../edge/index.js';

const { capacity, durationMin, gridStepMin, horizonDays, nameLength, noticeMin, reachMin, segments } = catalogueLimits;

export const locationId = idOf<LocationId>('location');
export const serviceId = idOf<ServiceId>('service');
export const resourceId = idOf<ResourceId>('resource');

const name = line(nameLength);
const zone = z.string().min(1).max(64).meta({ description: 'IANA time zone, for example America/Vancouver' });

export const newLocation = z.strictObject({ name, tz: zone });
export const locationChanges = z.strictObject({ name: name.optional(), active: z.boolean().optional() });
export const location = z.strictObject({
  id: locationId,
  name: z.string(),
  tz: z.string(),
  active: z.boolean(),
  version: versionNumber,
});
export const locations = pageOf(location);
export const locationList = listQuery({}, 'large');

const segment = z.strictObject({
  kind: z.enum(resourceKinds),
  offsetMin: z.int().min(-reachMin).max(reachMin).meta({ description: 'minutes from the start; may be negative' }),
  durationMin: z.int().min(1).max(durationMin),
});
const grid = z
  .strictObject({ stepMin: z.int().min(1).max(gridStepMin), anchor: z.enum(['midnight', 'opening']) })
  .meta({ description: 'visits start every so many minutes of the wall clock since local midnight or the opening' });
const ofAKind = (wanted: readonly { readonly kind: string }[]): boolean =>
  resourceKinds.every((kind) => wanted.filter((s) => s.kind === kind).length <= catalogueLimits.segmentsOfAKind);
const segmentList = z
  .array(segment)
  .min(1)
  .max(segments)
  .refine(ofAKind, { message: `at most ${catalogueLimits.segmentsOfAKind} segments of one kind` });
const serviceFields = {
  name,
  durationMin: z.int().min(1).max(durationMin),
  segments: segmentList,
  grid,
  noticeMin: z.int().min(0).max(noticeMin),
  horizonDays: z.int().min(1).max(horizonDays),
};

export const newService = z.strictObject({
  ...serviceFields,
  grid: grid.default({ stepMin: 15, anchor: 'midnight' }),
  noticeMin: serviceFields.noticeMin.default(0),
  horizonDays: serviceFields.horizonDays.default(180),
});
export const serviceChanges = z.strictObject({ ...serviceFields, active: z.boolean() }).partial();
export const service = z.strictObject({
  ...serviceFields,
  id: serviceId,
  name: z.string(),
  active: z.boolean(),
  version: versionNumber,
});
export const services = pageOf(service);
export const serviceList = listQuery({}, 'large');

const lanes = z.int().min(1).max(capacity).meta({ description: 'how many visits it serves at once' });

export const newResource = z.strictObject({
  locationId,
  kind: z.enum(resourceKinds),
  name,
  capacity: lanes.default(1),
});
export const resourceChanges = z.strictObject({ name, capacity: lanes, active: z.boolean() }).partial();
export const resource = z.strictObject({
  id: resourceId,
  locationId,
  kind: z.enum(resourceKinds),
  name: z.string(),
  capacity: z.int(),
  active: z.boolean(),
  version: versionNumber,
});
export const resources = pageOf(resource);
export const resourceList = listQuery(
  { locationId: locationId.optional(), kind: z.enum(resourceKinds).optional() },
  'large',
);

export const skill = z.strictObject({ resourceId, serviceId });
export const skills = z.strictObject({ serviceIds: z.array(serviceId) });

export const presentLocation = ({ id, name, tz, active, version }: Location): z.input<typeof location> => ({
  id,
  name,
  tz,
  active,
  version,
});

export const presentService = (found: Service): z.input<typeof service> => ({
  id: found.id,
  name: found.name,
  durationMin: found.durationMin,
  segments: found.segments.map(({ kind, offsetMin, durationMin }) => ({ kind, offsetMin, durationMin })),
  grid: { stepMin: found.grid.stepMin, anchor: found.grid.anchor },
  noticeMin: found.noticeMin,
  horizonDays: found.horizonDays,
  active: found.active,
  version: found.version,
});

export const presentResource = (found: Resource): z.input<typeof resource> => ({
  id: found.id,
  locationId: found.locationId,
  kind: found.kind,
  name: found.name,
  capacity: found.capacity,
  active: found.active,
  version: found.version,
});
