import { isZone, MINUTES_PER_DAY } from '#infra/time';
import type { ResourceId, ResourceKind } from './resource.js';
import type { Interval } from './schedule.js';

/** What a visit needs of one resource: two segments of a kind need two different resources. */
export interface Segment {
  readonly kind: ResourceKind;
  /** From the appointment's start; may be negative. */
  readonly offsetMin: number;
  readonly durationMin: number;
}

/** A lane of a resource that is taken, in UTC minutes, half-open. */
export interface Busy extends Interval {
  /** 1…capacity; lanes above the capacity are ignored. */
  readonly lane: number;
}

export interface Candidate {
  readonly resourceId: ResourceId;
  readonly kind: ResourceKind;
  /** Lanes: how many visits it serves at once. */
  readonly capacity: number;
  /** Sorted, not overlapping, whole (not cut at the search's ends): as `openWindows` gives them. */
  readonly open: readonly Interval[];
  /** In any order; whatever overlaps the search, segments' offsets included. Its sum is the load that `assign` levels. */
  readonly busy: readonly Busy[];
}

/**
 * Starts stand on a grid of the zone's wall clock, so that 09:00 stays 09:00 across a change of offset. Steps count from
 * local midnight, or from the opening: the start of the window in which the resource of the leading segment (the first
 * for a provider, else the first) begins, or midnight when it opened on an earlier day.
 */
export interface Grid {
  readonly stepMin: number;
  readonly anchor: 'midnight' | 'opening';
}

/** All minutes are UTC minutes since 1970-01-01T00:00Z. */
export interface Search {
  readonly zone: string;
  /** Starts lie in [fromMin, toMin). */
  readonly fromMin: number;
  readonly toMin: number;
  /** Notice: the first start allowed; -Infinity for none. */
  readonly earliestMin: number;
  /** Horizon: the last start allowed; Infinity for none. */
  readonly latestMin: number;
  /** What the client sees; only segments take hold of resources. */
  readonly durationMin: number;
  readonly grid: Grid;
  readonly segments: readonly Segment[];
  readonly candidates: readonly Candidate[];
}

export const MAX_CANDIDATES = 200;
export const MAX_SEARCH_DAYS = 92;
export const MAX_SEGMENTS = 8;
export const MAX_SEGMENTS_OF_A_KIND = 4;
export const MAX_CAPACITY = 64;
/** 92 local days last this much longer when a clock goes back (Antarctica/Troll: two hours). */
const MAX_CLOCK_CHANGE_MIN = 120;

const isWhole = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most;

const isBound = (minute: number): boolean => Number.isInteger(minute) || Math.abs(minute) === Number.POSITIVE_INFINITY;

const isSegment = ({ offsetMin, durationMin }: Segment): boolean =>
  isWhole(offsetMin, -MINUTES_PER_DAY, MINUTES_PER_DAY) && isWhole(durationMin, 1, MINUTES_PER_DAY);

const isInterval = ({ startMin, endMin }: Interval): boolean =>
  Number.isInteger(startMin) && Number.isInteger(endMin) && startMin < endMin;

const isCandidate = ({ capacity, open, busy }: Candidate): boolean =>
  isWhole(capacity, 1, MAX_CAPACITY) &&
  open.every((window, i) => isInterval(window) && window.startMin >= (open[i - 1]?.endMin ?? window.startMin)) &&
  busy.every((claim) => isInterval(claim) && isWhole(claim.lane, 1, Number.MAX_SAFE_INTEGER));

const mostOfAKind = (segments: readonly Segment[]): number =>
  Math.max(...segments.map(({ kind }) => segments.filter((other) => other.kind === kind).length));

function assertThat(holds: boolean, message: string): void {
  if (!holds) throw new RangeError(message);
}

/** Throws RangeError for a search that breaks a limit or makes no sense. */
export function checkSearch(search: Search): void {
  const { fromMin, toMin, segments, candidates } = search;
  assertThat(isZone(search.zone), `not a time zone: ${search.zone}`);
  assertThat(Number.isInteger(fromMin) && Number.isInteger(toMin) && fromMin < toMin, 'search: no range of minutes');
  const mostMin = MAX_SEARCH_DAYS * MINUTES_PER_DAY + MAX_CLOCK_CHANGE_MIN;
  assertThat(toMin - fromMin <= mostMin, `search: more than ${MAX_SEARCH_DAYS} days`);
  assertThat([search.earliestMin, search.latestMin].every(isBound), 'search: notice or horizon is no minute');
  assertThat(isWhole(search.durationMin, 1, MINUTES_PER_DAY), 'search: no duration of an appointment');
  assertThat(isWhole(search.grid.stepMin, 1, MINUTES_PER_DAY), 'search: no step of a grid');
  assertThat(isWhole(segments.length, 1, MAX_SEGMENTS), `search: not 1…${MAX_SEGMENTS} segments`);
  assertThat(mostOfAKind(segments) <= MAX_SEGMENTS_OF_A_KIND, `search: over ${MAX_SEGMENTS_OF_A_KIND} of a kind`);
  assertThat(segments.every(isSegment), 'search: a segment longer or farther than a day');
  assertThat(candidates.length <= MAX_CANDIDATES, `search: more than ${MAX_CANDIDATES} candidates`);
  assertThat(new Set(candidates.map(({ resourceId }) => resourceId)).size === candidates.length, 'search: one twice');
  assertThat(candidates.every(isCandidate), 'search: a candidate with impossible capacity, hours or claims');
}

/** Index of the segment whose resource's opening the grid counts from when it is anchored there. */
export const leadingPlace = ({ segments }: Search): number =>
  Math.max(
    0,
    segments.findIndex(({ kind }) => kind === 'provider'),
  );
