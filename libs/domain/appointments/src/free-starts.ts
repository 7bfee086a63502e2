import { toLocalMin } from '#infra/time';
import {
  andInto,
  type Bits,
  bitsFor,
  clearRange,
  eachBit,
  keepRuns,
  orInto,
  setBit,
  setRange,
  shiftDown,
  Tally,
} from './bitset.js';
import { eachGridMinute, FROM_MIDNIGHT } from './grid.js';
import { type ResourceKind, resourceKinds } from './resource.js';
import type { Interval } from './schedule.js';
import { type Busy, type Candidate, checkSearch, leadingPlace, type Search } from './search.js';

export interface Start {
  readonly startMin: number;
  /** How many providers are free for a provider segment of this start. */
  readonly providers: number;
}

/** Minutes under consideration: bit 0 is the earliest minute that a segment of the first start can touch. */
interface Frame {
  readonly firstMin: number;
  readonly length: number;
  readonly scratch: Bits;
}

function frameOf({ fromMin, toMin, segments }: Search): Frame {
  const first = Math.min(...segments.map(({ offsetMin }) => offsetMin));
  const last = Math.max(...segments.map(({ offsetMin, durationMin }) => offsetMin + durationMin));
  const length = toMin - fromMin + last - first;
  return { firstMin: fromMin + first, length, scratch: bitsFor(length) };
}

/** Sets or clears those minutes of the intervals that lie in the frame. */
function paint(draw: typeof setRange, bits: Bits, frame: Frame, intervals: readonly Interval[]): void {
  for (const { startMin, endMin } of intervals) {
    draw(bits, Math.max(0, startMin - frame.firstMin), Math.min(frame.length, endMin - frame.firstMin));
  }
}

const busyOfLanes = ({ capacity, busy }: Candidate, frame: Frame): readonly (readonly Busy[])[] => {
  const lanes: Busy[][] = Array.from({ length: capacity }, () => []);
  for (const claim of busy) {
    const touches = claim.endMin > frame.firstMin && claim.startMin < frame.firstMin + frame.length;
    if (touches) lanes[claim.lane - 1]?.push(claim);
  }
  return lanes;
};

/** Minutes from which `durationMin` minutes are open and free on one and the same lane. */
function freeRuns(candidate: Candidate, durationMin: number, frame: Frame): Bits {
  const open = bitsFor(frame.length);
  paint(setRange, open, frame, candidate.open);
  const lanes = busyOfLanes(candidate, frame);
  // A lane without claims is free whenever any other is.
  const decisive = lanes.some((lane) => lane.length === 0) ? [[]] : lanes;
  const result = bitsFor(frame.length);
  for (const lane of decisive) {
    const free = open.slice();
    paint(clearRange, free, frame, lane);
    keepRuns(free, durationMin, frame.scratch);
    orInto(result, free);
  }
  return result;
}

/** Starts on the grid that counts from this resource's own openings. */
function gridOfOpenings(search: Search, candidate: Candidate, offsetMin: number): Bits {
  const { zone, fromMin, toMin, grid } = search;
  const bits = bitsFor(toMin - fromMin);
  for (const { startMin, endMin } of candidate.open) {
    const [first, end] = [Math.max(fromMin, startMin - offsetMin), Math.min(toMin, endMin - offsetMin)];
    eachGridMinute(zone, grid.stepMin, toLocalMin(zone, startMin), first, end, (minute) => {
      setBit(bits, minute - fromMin);
    });
  }
  return bits;
}

/** Segments of a kind that any of the same resources could serve alike; `need` different ones. */
interface Demand {
  readonly offsetMin: number;
  readonly durationMin: number;
  /** Its resource must have the start on the grid of its own openings. */
  readonly anchored: boolean;
  readonly need: number;
}

function demandsOf(search: Search, kind: ResourceKind): readonly Demand[] {
  const leading = search.grid.anchor === 'opening' ? leadingPlace(search) : undefined;
  const demands = new Map<string, Demand>();
  for (const [place, { kind: needed, offsetMin, durationMin }] of search.segments.entries()) {
    if (needed !== kind) continue;
    const anchored = place === leading;
    const key = `${offsetMin} ${durationMin} ${anchored}`;
    demands.set(key, { offsetMin, durationMin, anchored, need: (demands.get(key)?.need ?? 0) + 1 });
  }
  return [...demands.values()];
}

/** Starts at which this resource could serve the demand. */
function startsFor(search: Search, frame: Frame, candidate: Candidate, demand: Demand): Bits {
  const starts = bitsFor(search.toMin - search.fromMin);
  const runs = freeRuns(candidate, demand.durationMin, frame);
  shiftDown(starts, runs, search.fromMin + demand.offsetMin - frame.firstMin);
  if (demand.anchored) andInto(starts, gridOfOpenings(search, candidate, demand.offsetMin));
  return starts;
}

/** The members of a set of demands, for each non-empty set; the last is the set of all. */
const subsetsOf = (demands: readonly Demand[]): readonly (readonly number[])[] =>
  Array.from({ length: (1 << demands.length) - 1 }, (_, set) =>
    demands.map((_, index) => index).filter((index) => ((set + 1) >>> index) & 1),
  );

function union(parts: readonly Bits[], members: readonly number[]): Bits {
  const [first = 0, ...others] = members;
  const start = parts[first] as Bits;
  if (others.length === 0) return start;
  const result = start.slice();
  for (const member of others) orInto(result, parts[member] as Bits);
  return result;
}

/**
 * Keeps the starts at which the kind's segments find different resources. By Hall's theorem they do exactly when every
 * set of segments finds at least as many resources as it has members. Returns how many serve any segment at all.
 */
function keepServed(search: Search, frame: Frame, kind: ResourceKind, starts: Bits): Tally | undefined {
  const demands = demandsOf(search, kind);
  const candidates = search.candidates.filter((candidate) => candidate.kind === kind);
  const sets = subsetsOf(demands).map((members) => ({
    members,
    need: members.reduce((sum, member) => sum + (demands[member]?.need ?? 0), 0),
    tally: new Tally(search.toMin - search.fromMin, candidates.length),
  }));
  for (const candidate of candidates) {
    const parts = demands.map((demand) => startsFor(search, frame, candidate, demand));
    for (const { members, tally } of sets) tally.add(union(parts, members));
  }
  for (const { need, tally } of sets) tally.keepAtLeast(need, starts);
  return sets.at(-1)?.tally;
}

/** Starts inside the range, the notice and the horizon, and on the grid when it counts from midnight. */
function allowedStarts({ zone, fromMin, toMin, earliestMin, latestMin, grid }: Search): Bits {
  const bits = bitsFor(toMin - fromMin);
  const [first, end] = [Math.max(fromMin, earliestMin), Math.min(toMin, latestMin + 1)];
  if (grid.anchor === 'opening') setRange(bits, first - fromMin, end - fromMin);
  else eachGridMinute(zone, grid.stepMin, FROM_MIDNIGHT, first, end, (minute) => setBit(bits, minute - fromMin));
  return bits;
}

/**
 * Free starts, sorted, with how many providers are free at each. One bit per UTC minute, all resources at once. Throws
 * RangeError past `MAX_CANDIDATES` resources or `MAX_SEARCH_DAYS` days.
 */
export function findStarts(search: Search): readonly Start[] {
  checkSearch(search);
  const frame = frameOf(search);
  const starts = allowedStarts(search);
  const tallies = new Map<ResourceKind, Tally | undefined>();
  for (const kind of resourceKinds) tallies.set(kind, keepServed(search, frame, kind, starts));
  const providers = tallies.get('provider');
  const found: Start[] = [];
  eachBit(starts, (bit) => {
    found.push({ startMin: search.fromMin + bit, providers: providers?.at(bit) ?? 0 });
  });
  return found;
}
