import fc from 'fast-check';
import { type LocalDate, MINUTES_PER_DAY, toLocalMin } from '#infra/time';
import {
  type Assignment,
  assign,
  type Candidate,
  findStarts,
  type Grid,
  type ResourceKind,
  type Search,
  type Segment,
  whyNot,
} from './availability.js';
import { type ResourceId, resourceKinds } from './resource.js';
import { type Interval, merged, openWindows } from './schedule.js';

const NEW_YORK = 'America/New_York';
const minute = (text: string): number => Date.parse(`${text}Z`) / 60_000;
const startsOf = (search: Search): readonly number[] => findStarts(search).map(({ startMin }) => startMin);
const minutesOf = (search: Search): readonly number[] =>
  Array.from({ length: search.toMin - search.fromMin }, (_, i) => search.fromMin + i);

/** The rules once more, minute by minute, without bits. */
const naive = {
  free(candidate: Candidate, from: number, to: number): boolean {
    const minutes = Array.from({ length: to - from }, (_, i) => from + i);
    const within = (m: number) => (interval: Interval) => interval.startMin <= m && m < interval.endMin;
    const lanes = Array.from({ length: candidate.capacity }, (_, i) => i + 1);
    return (
      minutes.every((m) => candidate.open.some(within(m))) &&
      lanes.some((lane) =>
        minutes.every((m) => !candidate.busy.some((claim) => claim.lane === lane && within(m)(claim))),
      )
    );
  },
  onGrid(zone: string, stepMin: number, start: number, openedAt: number | null): boolean {
    const local = toLocalMin(zone, start);
    const midnight = local - (((local % MINUTES_PER_DAY) + MINUTES_PER_DAY) % MINUTES_PER_DAY);
    const opened = openedAt === null ? midnight : toLocalMin(zone, openedAt);
    return (local - Math.max(opened, midnight)) % stepMin === 0;
  },
  /** Candidates that could take each segment. */
  options(search: Search, start: number): readonly (readonly Candidate[])[] {
    const provider = search.segments.findIndex(({ kind }) => kind === 'provider');
    return search.segments.map(({ kind, offsetMin, durationMin }, place) => {
      const from = start + offsetMin;
      return search.candidates.filter((candidate) => {
        const window = candidate.open.find(({ startMin, endMin }) => startMin <= from && from < endMin);
        const anchored = search.grid.anchor === 'opening' && place === Math.max(0, provider);
        const onGrid =
          !anchored || (window !== undefined && naive.onGrid(search.zone, search.grid.stepMin, start, window.startMin));
        return candidate.kind === kind && onGrid && naive.free(candidate, from, from + durationMin);
      });
    });
  },
  canFill(options: readonly (readonly Candidate[])[], used: readonly Candidate[] = []): boolean {
    const [first, ...rest] = options;
    if (first === undefined) return true;
    return first.some((candidate) => !used.includes(candidate) && naive.canFill(rest, [...used, candidate]));
  },
  starts(search: Search): readonly { startMin: number; providers: number }[] {
    return minutesOf(search).flatMap((startMin) => {
      const allowed = startMin >= search.earliestMin && startMin <= search.latestMin;
      const { anchor, stepMin } = search.grid;
      if (!allowed || (anchor === 'midnight' && !naive.onGrid(search.zone, stepMin, startMin, null))) return [];
      const options = naive.options(search, startMin);
      const providers = new Set(options.flat().filter(({ kind }) => kind === 'provider')).size;
      return naive.canFill(options) ? [{ startMin, providers }] : [];
    });
  },
};

/** A range of some hours, near one of the two DST nights of New York or on any other day. */
const bases = fc.oneof(
  fc.constant(minute('2026-11-01T03:30')),
  fc.constant(minute('2026-03-08T04:30')),
  fc.integer({ min: minute('2026-01-01T00:00'), max: minute('2027-12-31T00:00') }),
);
const zones = fc.constantFrom(NEW_YORK, 'America/Vancouver', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC');
const segment = (kinds: readonly ResourceKind[]): fc.Arbitrary<Segment> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    offsetMin: fc.oneof(fc.constant(0), fc.integer({ min: -40, max: 40 })),
    durationMin: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 90 })),
  });
const segments = fc.oneof(
  fc.array(segment(resourceKinds), { minLength: 1, maxLength: 3 }),
  fc.array(segment(['provider']), { minLength: 2, maxLength: 3 }),
  segment(['provider', 'room']).chain((one) => fc.constantFrom([one, one], [one, one, one])),
);
const grid: fc.Arbitrary<Grid> = fc.record({
  stepMin: fc.constantFrom(1, 5, 7, 15, 25, 30, 60),
  anchor: fc.constantFrom('midnight', 'opening'),
});
const span = (baseMin: number, shortest: number, longest: number) =>
  fc
    .tuple(fc.integer({ min: -150, max: 400 }), fc.integer({ min: shortest, max: longest }))
    .map(([at, length]) => ({ startMin: baseMin + at, endMin: baseMin + at + length }));
const claim = (baseMin: number) =>
  fc.tuple(span(baseMin, 1, 60), fc.integer({ min: 1, max: 3 })).map(([interval, lane]) => ({ ...interval, lane }));
const candidate = (baseMin: number): fc.Arbitrary<Omit<Candidate, 'resourceId'>> =>
  fc.record({
    kind: fc.constantFrom(...resourceKinds, 'provider'),
    capacity: fc.integer({ min: 1, max: 3 }),
    open: fc.array(span(baseMin, 30, 600), { minLength: 1, maxLength: 3 }).map(merged),
    busy: fc.array(claim(baseMin), { maxLength: 7 }),
  });
const searches: fc.Arbitrary<Search> = bases.chain((baseMin) =>
  fc
    .record({
      zone: zones,
      length: fc.integer({ min: 2, max: 360 }),
      notice: fc.oneof(fc.constant(Number.NEGATIVE_INFINITY), fc.integer({ min: -10, max: 200 })),
      horizon: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 0, max: 400 })),
      grid,
      segments,
      candidates: fc.array(candidate(baseMin), { maxLength: 10 }),
    })
    .map(({ zone, length, notice, horizon, candidates, ...rest }) => ({
      ...rest,
      zone,
      fromMin: baseMin,
      toMin: baseMin + length,
      earliestMin: baseMin + notice,
      latestMin: baseMin + horizon,
      durationMin: 30,
      candidates: candidates.map((one, i) => ({ ...one, resourceId: `resource-${i}` as ResourceId })),
    })),
);

describe('free starts', () => {
  it('are those of a search minute by minute: lanes, segments of one kind, negative offsets, both grids', () => {
    let [found, crowded] = [0, 0];
    fc.assert(
      fc.property(searches, (search) => {
        const starts = findStarts(search);
        expect(starts).toEqual(naive.starts(search));
        if (starts.length > 0) found += 1;
        const kinds = search.segments.map(({ kind }) => kind);
        if (starts.length > 0 && new Set(kinds).size < kinds.length) crowded += 1;
      }),
      { numRuns: 1500 },
    );
    expect(found).toBeGreaterThan(200);
    expect(crowded).toBeGreaterThan(120);
  });

  it('can be assigned, and only they: nothing refuses them, and a rule refuses every other start', () => {
    fc.assert(
      fc.property(searches, fc.string(), (search, seed) => {
        const starts = new Set(startsOf(search));
        for (const startMin of minutesOf(search)) {
          const free = starts.has(startMin);
          const answers = [whyNot(search, startMin) === null, assign(search, startMin, seed, 1).length === 1];
          if (answers.some((answer) => answer !== free)) throw new Error(`${startMin}: ${free}, ${answers}`);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never become more by a claim', () => {
    fc.assert(
      fc.property(searches, fc.nat(), fc.integer({ min: -100, max: 400 }), (search, which, at) => {
        const index = search.candidates.length === 0 ? 0 : which % search.candidates.length;
        const startMin = search.fromMin + at;
        const added = { startMin, endMin: startMin + 45, lane: 1 + (which % 3) };
        const candidates = search.candidates.map((one, i) =>
          i === index ? { ...one, busy: [...one.busy, added] } : one,
        );
        const before = new Map(findStarts(search).map((start) => [start.startMin, start.providers]));
        for (const { startMin: start, providers } of findStarts({ ...search, candidates })) {
          expect(before.get(start)).toBeGreaterThanOrEqual(providers);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('are the same however the range is split', () => {
    fc.assert(
      fc.property(searches, fc.nat(), (search, at) => {
        const cut = search.fromMin + 1 + (at % (search.toMin - search.fromMin - 1));
        const parts = [findStarts({ ...search, toMin: cut }), findStarts({ ...search, fromMin: cut })];
        expect(parts.flat()).toEqual(findStarts(search));
      }),
      { numRuns: 500 },
    );
  });

  it('move with everything else by whole weeks where the clocks do not change', () => {
    const steady = searches.map((search) => ({ ...search, zone: 'Asia/Kathmandu' }));
    fc.assert(
      fc.property(steady, fc.integer({ min: -60, max: 60 }), (search, weeks) => {
        const by = weeks * 7 * MINUTES_PER_DAY;
        const move = <T extends Interval>(interval: T): T => ({
          ...interval,
          startMin: interval.startMin + by,
          endMin: interval.endMin + by,
        });
        const moved: Search = {
          ...search,
          fromMin: search.fromMin + by,
          toMin: search.toMin + by,
          earliestMin: search.earliestMin + by,
          latestMin: search.latestMin + by,
          candidates: search.candidates.map((one) => ({ ...one, open: one.open.map(move), busy: one.busy.map(move) })),
        };
        expect(findStarts(moved)).toEqual(
          findStarts(search).map(({ startMin, providers }) => ({ startMin: startMin + by, providers })),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('are those of a search minute by minute over 60 days with a change of clocks', () => {
    const [fromMin, toMin] = [minute('2026-10-01T04:00'), minute('2026-11-30T05:00')];
    const rules = ([1, 2, 3, 4, 5] as const).map((weekday) => ({ weekday, opens: 540, closes: 1020 }));
    const open = openWindows(
      NEW_YORK,
      [{ validFrom: '2026-01-01' as LocalDate, validTo: null, rules }],
      [],
      fromMin,
      toMin,
    );
    const busy = (step: number, length: number) =>
      Array.from({ length: Math.floor((toMin - fromMin) / step) }, (_, i) => ({
        startMin: fromMin + i * step,
        endMin: fromMin + i * step + length,
        lane: 1,
      }));
    const candidates = (
      [
        ['provider', busy(97, 41)],
        ['provider', busy(211, 90)],
        ['room', busy(307, 120)],
        ['device', busy(173, 60)],
      ] as const
    ).map(([kind, taken], i) => ({ resourceId: `${kind}-${i}` as ResourceId, kind, capacity: 1, open, busy: taken }));
    const search: Search = {
      zone: NEW_YORK,
      fromMin,
      toMin,
      earliestMin: Number.NEGATIVE_INFINITY,
      latestMin: Number.POSITIVE_INFINITY,
      durationMin: 50,
      grid: { stepMin: 15, anchor: 'midnight' },
      segments: [
        { kind: 'provider', offsetMin: 0, durationMin: 20 },
        { kind: 'room', offsetMin: -5, durationMin: 55 },
        { kind: 'device', offsetMin: 10, durationMin: 30 },
      ],
      candidates,
    };
    const found = findStarts(search);
    expect(found.length).toBeGreaterThan(100);
    expect(found).toEqual(naive.starts(search));
  });
});

describe('an assignment', () => {
  const claims = (assignments: readonly Assignment[]): string =>
    assignments
      .map(({ resourceId, lane, startMin, endMin }) => `${resourceId} ${lane} ${startMin} ${endMin}`)
      .sort()
      .join();

  it('holds for each segment a free lane of another resource, in the search’s order, each time differently', () => {
    fc.assert(
      fc.property(searches, fc.string(), fc.integer({ min: 1, max: 20 }), (search, seed, most) => {
        for (const { startMin } of findStarts(search).slice(0, 3)) {
          const found = assign(search, startMin, seed, most);
          expect(found.length).toBeGreaterThan(0);
          expect(found.length).toBeLessThanOrEqual(most);
          expect(new Set(found.map(claims)).size).toBe(found.length);
          expect(assign(search, startMin, seed, most)).toEqual(found);
          for (const assignments of found) {
            expect(assignments.map((one) => one.segment)).toEqual(search.segments);
            expect(new Set(assignments.map(({ resourceId }) => resourceId)).size).toBe(assignments.length);
            for (const { segment: needed, resourceId, lane, startMin: from, endMin: to } of assignments) {
              const chosen = search.candidates.find((one) => one.resourceId === resourceId)!;
              expect([from, to]).toEqual([
                startMin + needed.offsetMin,
                startMin + needed.offsetMin + needed.durationMin,
              ]);
              expect(chosen.kind).toBe(needed.kind);
              expect(lane).toBeLessThanOrEqual(chosen.capacity);
              expect(chosen.busy.some((one) => one.lane === lane && one.startMin < to && one.endMin > from)).toBe(
                false,
              );
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
