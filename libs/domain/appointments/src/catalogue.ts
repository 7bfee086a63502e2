import type { Id } from '#infra/kernel';
import type { Grid, Segment } from './availability.js';
import type { ResourceId, ResourceKind } from './resource.js';

export type LocationId = Id<'location'>;
export type ServiceId = Id<'service'>;

/** A place with one wall clock; all its hours are read on that clock. */
export interface Location {
  readonly id: LocationId;
  readonly name: string;
  /** IANA name. */
  readonly tz: string;
  readonly active: boolean;
  readonly version: number;
}
export type NewLocation = Pick<Location, 'name' | 'tz'>;
export type LocationChanges = Partial<Pick<Location, 'name' | 'active'>>;

/** What can be booked, and which resources it takes when. */
export interface Service {
  readonly id: ServiceId;
  readonly name: string;
  /** The visit as the client sees it; segments may begin before and end after. */
  readonly durationMin: number;
  readonly segments: readonly Segment[];
  readonly grid: Grid;
  /** A visit must begin at least this long after it is booked. */
  readonly noticeMin: number;
  /** How many local dates ahead of today a visit may begin. */
  readonly horizonDays: number;
  readonly active: boolean;
  readonly version: number;
}
export type NewService = Omit<Service, 'id' | 'active' | 'version'>;
export type ServiceChanges = Partial<Omit<Service, 'id' | 'version'>>;

/** Who or what a visit takes hold of. */
export interface Resource {
  readonly id: ResourceId;
  readonly locationId: LocationId;
  readonly kind: ResourceKind;
  readonly name: string;
  /** How many visits it serves at once. */
  readonly capacity: number;
  readonly active: boolean;
  readonly version: number;
}
export type NewResource = Omit<Resource, 'id' | 'active' | 'version'>;
export type ResourceChanges = Partial<Pick<Resource, 'name' | 'capacity' | 'active'>>;

export interface ResourceFilter {
  readonly locationId?: LocationId | undefined;
  readonly kind?: ResourceKind | undefined;
}

export const catalogueLimits = {
  nameLength: 120,
  durationMin: 1_440,
  segments: 6,
  segmentsOfAKind: 4,
  /** How far a segment may begin before, or end after, the start of the visit. */
  reachMin: 1_440,
  gridStepMin: 1_440,
  noticeMin: 525_600,
  horizonDays: 730,
  capacity: 50,
} as const;

/** How far a visit's segments reach before its start and after it, in minutes; the visit itself included. */
export function reachOf({ durationMin, segments }: Pick<Service, 'durationMin' | 'segments'>) {
  return {
    beforeMin: Math.max(0, ...segments.map((s) => -s.offsetMin)),
    afterMin: Math.max(durationMin, ...segments.map((s) => s.offsetMin + s.durationMin)),
  };
}

/** True where no segment begins or ends more than a day from the start: claims are at most a day long. */
export function reachIsLegal(service: Pick<Service, 'durationMin' | 'segments'>): boolean {
  const { beforeMin, afterMin } = reachOf(service);
  return beforeMin <= catalogueLimits.reachMin && afterMin <= catalogueLimits.reachMin;
}
