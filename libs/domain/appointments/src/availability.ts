import { toLocalMin } from '#infra/time';
import { FROM_MIDNIGHT, isOnGrid } from './grid.js';
import { combinations, type Option } from './matching.js';
import { type ResourceId, type ResourceKind, resourceKinds } from './resource.js';
import { type Candidate, checkSearch, leadingPlace, type Search, type Segment } from './search.js';

export { findStarts, type Start } from './free-starts.js';
export type { ResourceKind } from './resource.js';
export {
  type Busy,
  type Candidate,
  type Grid,
  MAX_CANDIDATES,
  MAX_CAPACITY,
  MAX_SEARCH_DAYS,
  MAX_SEGMENTS,
  MAX_SEGMENTS_OF_A_KIND,
  type Search,
  type Segment,
} from './search.js';

/** The most assignments that one call proposes. */
export const MAX_ASSIGNMENTS = 20;

/** One segment on one lane of one resource, in UTC minutes, half-open: what a booking claims. */
export interface Assignment {
  readonly segment: Segment;
  readonly resourceId: ResourceId;
  readonly lane: number;
  readonly startMin: number;
  readonly endMin: number;
}

export type Refusal =
  | 'beyond_horizon'
  | 'notice_too_short'
  | 'off_grid'
  | 'no_provider'
  | 'no_room'
  | 'no_device'
  | 'outside_hours';

const NONE_FREE: Readonly<Record<ResourceKind, Refusal>> = {
  provider: 'no_provider',
  room: 'no_room',
  device: 'no_device',
};

/** A segment at a given start. */
interface Place {
  readonly segment: Segment;
  readonly startMin: number;
  readonly endMin: number;
  /** Its resource must have the start on the grid of its own openings. */
  readonly anchored: boolean;
}

interface Choice extends Option {
  readonly assignment: Assignment;
}

type Suits = (candidate: Candidate, place: Place) => boolean;

function placesAt(search: Search, start: number): readonly Place[] {
  const leading = search.grid.anchor === 'opening' ? leadingPlace(search) : undefined;
  return search.segments.map((segment, index) => {
    const startMin = start + segment.offsetMin;
    return { segment, startMin, endMin: startMin + segment.durationMin, anchored: index === leading };
  });
}

const isOpen: Suits = ({ open }, { startMin, endMin }) => {
  let reached = startMin;
  for (const window of open) if (window.startMin <= reached && reached < window.endMin) reached = window.endMin;
  return reached >= endMin;
};

/** True too for a place that is not anchored; the resource is open there. */
const isOnOwnGrid =
  ({ zone, grid }: Search, start: number): Suits =>
  ({ open }, { startMin, anchored }) => {
    if (!anchored) return true;
    const window = open.find((interval) => interval.startMin <= startMin && startMin < interval.endMin);
    return window !== undefined && isOnGrid(zone, grid.stepMin, toLocalMin(zone, window.startMin), start);
  };

/** Ascending, at most `most`. */
function freeLanes({ capacity, busy }: Candidate, { startMin, endMin }: Place, most: number): readonly number[] {
  const overlapping = busy.filter((claim) => claim.startMin < endMin && claim.endMin > startMin);
  const taken = new Set(overlapping.map(({ lane }) => lane));
  return Array.from({ length: capacity }, (_, index) => index + 1)
    .filter((lane) => !taken.has(lane))
    .slice(0, most);
}

const hasFreeLane: Suits = (candidate, place) => freeLanes(candidate, place, 1).length > 0;

const ofKind = (search: Search, kind: ResourceKind): readonly Candidate[] =>
  search.candidates.filter((candidate) => candidate.kind === kind);

/** True when the kind's places find different resources that pass every test. */
function canServe(search: Search, places: readonly Place[], kind: ResourceKind, tests: readonly Suits[]): boolean {
  const options = places
    .filter(({ segment }) => segment.kind === kind)
    .map((place) =>
      ofKind(search, kind)
        .filter((candidate) => tests.every((suits) => suits(candidate, place)))
        .map(({ resourceId }) => ({ resource: resourceId, unit: resourceId, claim: resourceId })),
    );
  return combinations(options, 1).length > 0;
}

function checkStart({ fromMin, toMin }: Search, startMin: number): void {
  const inRange = Number.isInteger(startMin) && startMin >= fromMin && startMin < toMin;
  if (!inRange) throw new RangeError(`start ${startMin} outside the search's range`);
}

function clockRefusal({ zone, earliestMin, latestMin, grid }: Search, startMin: number): Refusal | null {
  if (startMin > latestMin) return 'beyond_horizon';
  if (startMin < earliestMin) return 'notice_too_short';
  const onGrid = grid.anchor === 'opening' || isOnGrid(zone, grid.stepMin, FROM_MIDNIGHT, startMin);
  return onGrid ? null : 'off_grid';
}

/**
 * The first rule that a start in the search's range breaks, null when it is free: exactly the starts of `findStarts`.
 * Horizon, notice, grid of midnight; a kind with fewer resources than segments (`no_…`); hours, whatever the bookings;
 * grid of openings; then bookings, provider before room before device.
 */
export function whyNot(search: Search, startMin: number): Refusal | null {
  checkSearch(search);
  checkStart(search, startMin);
  const refused = clockRefusal(search, startMin);
  if (refused !== null) return refused;
  const places = placesAt(search, startMin);
  const unserved = (...tests: readonly Suits[]) => resourceKinds.find((kind) => !canServe(search, places, kind, tests));
  const missing = unserved();
  if (missing !== undefined) return NONE_FREE[missing];
  if (unserved(isOpen) !== undefined) return 'outside_hours';
  const onGrid = isOnOwnGrid(search, startMin);
  if (unserved(isOpen, onGrid) !== undefined) return 'off_grid';
  const busy = unserved(isOpen, onGrid, hasFreeLane);
  return busy === undefined ? null : NONE_FREE[busy];
}

/** FNV-1a with a final avalanche, 32 bits: spreads ties, keeps no secret. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** Fewest booked minutes first; ties by hash of seed and resource, so that a retry sees the same order. */
function bestFirst(candidates: readonly Candidate[], seed: string): readonly Candidate[] {
  return candidates
    .map((candidate) => ({
      candidate,
      bookedMin: candidate.busy.reduce((sum, { startMin, endMin }) => sum + endMin - startMin, 0),
      tie: hash(`${seed} ${candidate.resourceId}`),
    }))
    .sort(
      (a, b) =>
        a.bookedMin - b.bookedMin || a.tie - b.tie || (a.candidate.resourceId < b.candidate.resourceId ? -1 : 1),
    )
    .map(({ candidate }) => candidate);
}

function choice({ segment, startMin, endMin }: Place, resourceId: ResourceId, lane: number): Choice {
  const unit = `${resourceId}#${lane}`;
  const assignment = { segment, resourceId, lane, startMin, endMin };
  return { resource: resourceId, unit, claim: `${unit}@${startMin}-${endMin}`, assignment };
}

/**
 * Up to `most` different complete assignments for a start in the search's range, segments in the search's order; [] when
 * it is not free. The first takes, for each segment, the resource with the fewest booked minutes; each later one turns
 * to lanes and resources that the earlier ones held least, so that one lost race does not spoil them all.
 */
export function assign(
  search: Search,
  startMin: number,
  seed: string,
  most: number,
): readonly (readonly Assignment[])[] {
  checkSearch(search);
  checkStart(search, startMin);
  if (!Number.isInteger(most) || most < 1 || most > MAX_ASSIGNMENTS) throw new RangeError(`not 1…${MAX_ASSIGNMENTS}`);
  if (clockRefusal(search, startMin) !== null) return [];
  const tests = [isOpen, isOnOwnGrid(search, startMin)];
  const ranked = bestFirst(search.candidates, seed);
  const options = placesAt(search, startMin).map((place) =>
    ranked
      .filter((candidate) => candidate.kind === place.segment.kind)
      .filter((candidate) => tests.every((suits) => suits(candidate, place)))
      .flatMap((candidate) =>
        freeLanes(candidate, place, most).map((lane) => choice(place, candidate.resourceId, lane)),
      ),
  );
  return combinations(options, most).map((choices) => choices.map(({ assignment }) => assignment));
}
