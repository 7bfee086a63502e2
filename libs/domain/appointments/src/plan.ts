import type { Instant } from '#infra/kernel';
import {
  addDays,
  localDateOf,
  localMinOf,
  MINUTES_PER_DAY,
  minuteOfInstant,
  toUtcMin,
  type Weekday,
} from '#infra/time';
import { fail } from './appointments.errors.js';
import { type Busy, MAX_CANDIDATES, type Refusal, type Search, type Segment, whyNot } from './availability.js';
import type { LocationId, ServiceId } from './catalogue.js';
import type { ResourceId, ResourceKind } from './resource.js';
import { type DatedSchedule, type Override, openWindows } from './schedule.js';

/** What the load statement answers. */
export interface LoadedPlan {
  readonly service: LoadedService | null;
  readonly location: LoadedLocation | null;
  /** Kind of the resource that was asked for as provider; null where there is none. */
  readonly providerKind: string | null;
  readonly candidates: readonly LoadedCandidate[] | null;
  readonly busy: Buffer | null;
}

interface LoadedService {
  readonly id: ServiceId;
  readonly durationMin: number;
  readonly segments: readonly Segment[];
  readonly gridStepMin: number;
  readonly gridAnchor: 'midnight' | 'opening';
  readonly noticeMin: number;
  readonly horizonDays: number;
  readonly active: boolean;
}

interface LoadedLocation {
  readonly id: LocationId;
  readonly tz: string;
  readonly active: boolean;
}

interface LoadedCandidate {
  readonly id: ResourceId;
  readonly kind: ResourceKind;
  readonly capacity: number;
  /** Null where it has no weekly hours at all. */
  readonly scheduled: true | null;
  readonly schedules: readonly DatedSchedule[] | null;
  readonly overrides: readonly Override[] | null;
}

/** A service at a location with everything that could serve it, around some time. */
export interface Plan {
  readonly service: LoadedService;
  readonly location: LoadedLocation;
  readonly providerId: ResourceId | null;
  readonly candidates: readonly (LoadedCandidate & { readonly busy: readonly Busy[] })[];
}

const claimBytes = 10;
const weekdays: readonly Weekday[] = [1, 2, 3, 4, 5, 6, 7];

/** A room or a device without hours of its own is there whenever somebody is. */
const always: DatedSchedule = {
  validFrom: '0001-01-01' as DatedSchedule['validFrom'],
  validTo: null,
  rules: weekdays.map((weekday) => ({ weekday, opens: 0, closes: MINUTES_PER_DAY })),
};

/** Refuses what does not exist with 404, and more candidates than one search takes. */
export function planOf(loaded: LoadedPlan, providerId: ResourceId | null): Plan {
  const { service, location, candidates } = loaded;
  if (service === null) throw fail('service.not_found');
  if (location === null) throw fail('location.not_found');
  if (providerId !== null && loaded.providerKind !== 'provider') throw fail('resource.not_found');
  if (providerId !== null && countOf(service.segments, 'provider') !== 1)
    throw fail('availability.provider_not_choosable');
  if ((candidates?.length ?? 0) > MAX_CANDIDATES) throw fail('availability.search_too_wide');
  return { service, location, providerId, candidates: withBusy(candidates ?? [], loaded.busy ?? Buffer.alloc(0)) };
}

export const countOf = (segments: readonly Segment[], kind: ResourceKind): number =>
  segments.filter((segment) => segment.kind === kind).length;

function withBusy(candidates: readonly LoadedCandidate[], bytes: Buffer): Plan['candidates'] {
  let at = 0;
  return candidates.map((candidate) => {
    const end = at + 4 + bytes.readUInt32BE(at);
    const busy: Busy[] = [];
    for (at += 4; at < end; at += claimBytes)
      busy.push({
        startMin: bytes.readInt32BE(at),
        endMin: bytes.readInt32BE(at + 4),
        lane: bytes.readInt16BE(at + 8),
      });
    return { ...candidate, busy };
  });
}

/** Refuses what is not offered any more. Visits that are booked may still be moved there. */
export function expectOffered({ service, location }: Plan): void {
  if (!service.active) throw fail('service.inactive');
  if (!location.active) throw fail('location.inactive');
}

/** The plan as the engine takes it: starts in [fromMin, toMin), with notice and horizon counted from now. */
export function searchOf(plan: Plan, fromMin: number, toMin: number, now: Instant): Search {
  const { service, location } = plan;
  const before = Math.min(...service.segments.map(({ offsetMin }) => offsetMin));
  const after = Math.max(...service.segments.map(({ offsetMin, durationMin }) => offsetMin + durationMin));
  return {
    zone: location.tz,
    fromMin,
    toMin,
    earliestMin: earliestStart(service, now),
    latestMin: latestStart(plan, now),
    durationMin: service.durationMin,
    grid: { stepMin: service.gridStepMin, anchor: service.gridAnchor },
    segments: service.segments,
    candidates: chosen(plan).map(({ id, kind, capacity, busy, ...hours }) => ({
      resourceId: id,
      kind,
      capacity,
      open: openWindows(
        location.tz,
        hours.scheduled || kind === 'provider' ? (hours.schedules ?? []) : [always],
        hours.overrides ?? [],
        fromMin + before,
        toMin + after,
      ),
      busy,
    })),
  };
}

/** The minute that has begun does not count as notice. */
const earliestStart = ({ noticeMin }: LoadedService, now: Instant): number =>
  minuteOfInstant(now) + noticeMin + (now % 60_000 === 0 ? 0 : 1);

/** The last minute of the local date that lies `horizonDays` ahead of today, there. */
function latestStart({ service, location: { tz } }: Plan, now: Instant): number {
  const today = localDateOf(minuteOfInstant(now), tz);
  return toUtcMin(tz, localMinOf(addDays(today, service.horizonDays + 1), 0)) - 1;
}

const chosen = ({ candidates, providerId }: Plan): Plan['candidates'] =>
  providerId === null ? candidates : candidates.filter(({ id, kind }) => kind !== 'provider' || id === providerId);

export type Decision = Refusal | 'slot_taken' | null;

/** Why a start is refused; `slot_taken` where only what is booked stands in the way. */
export function decide(search: Search, startMin: number): Decision {
  const refusal = whyNot(search, startMin);
  if (refusal === null || !refusal.startsWith('no_')) return refusal;
  const unbooked = search.candidates.map((candidate) => ({ ...candidate, busy: [] }));
  return whyNot({ ...search, candidates: unbooked }, startMin) === null ? 'slot_taken' : refusal;
}

/** The same search where more is known to be taken. */
export function withTaken(search: Search, taken: readonly (Busy & { readonly resourceId: ResourceId })[]): Search {
  const candidates = search.candidates.map((candidate) => ({
    ...candidate,
    busy: [...candidate.busy, ...taken.filter(({ resourceId }) => resourceId === candidate.resourceId)],
  }));
  return { ...search, candidates };
}

/** The same search where one visit's own claims are free again. */
export function withoutOwn(search: Search, own: readonly (Busy & { readonly resourceId: ResourceId })[]): Search {
  if (own.length === 0) return search;
  const isOwn = (resourceId: ResourceId, claim: Busy) =>
    own.some(
      (mine) =>
        mine.resourceId === resourceId &&
        mine.lane === claim.lane &&
        mine.startMin === claim.startMin &&
        mine.endMin === claim.endMin,
    );
  const candidates = search.candidates.map((candidate) => ({
    ...candidate,
    busy: candidate.busy.filter((claim) => !isOwn(candidate.resourceId, claim)),
  }));
  return { ...search, candidates };
}
