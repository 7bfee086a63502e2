import { isAppError, newId } from '#infra/kernel';
import type { LocalDate } from '#infra/time';
import { assign, findStarts } from './availability.js';
import { nearest } from './availability.service.js';
import type { LocationId, ServiceId } from './catalogue.js';
import { decide, expectOffered, type LoadedPlan, planOf, searchOf, withoutOwn, withTaken } from './plan.js';
import type { ResourceId } from './resource.js';

const minute = (text: string): number => Date.parse(text) / 60_000;
const now = Date.parse('2026-12-01T08:00:00Z');
const ten = minute('2026-12-01T10:00:00Z');
const [ada, noor, roomOne] = [newId<ResourceId>(), newId<ResourceId>(), newId<ResourceId>()];
const everyDay = ([1, 2, 3, 4, 5, 6, 7] as const).map((weekday) => ({ weekday, opens: 540, closes: 1_020 }));
const hours = [{ validFrom: '2026-01-01' as LocalDate, validTo: null, rules: everyDay }];

const provider = (id: ResourceId) =>
  ({ id, kind: 'provider', capacity: 1, scheduled: true, schedules: hours, overrides: null }) as const;
const room = { id: roomOne, kind: 'room', capacity: 1, scheduled: null, schedules: null, overrides: null } as const;

/** As the statement packs it. */
function packed(...parts: readonly (readonly (readonly [number, number, number])[])[]): Buffer {
  return Buffer.concat(
    parts.map((claims) => {
      const bytes = Buffer.alloc(4 + claims.length * 10);
      bytes.writeUInt32BE(claims.length * 10);
      for (const [n, [start, end, lane]] of claims.entries()) {
        bytes.writeInt32BE(start, 4 + n * 10);
        bytes.writeInt32BE(end, 8 + n * 10);
        bytes.writeInt16BE(lane, 12 + n * 10);
      }
      return bytes;
    }),
  );
}

function loaded(words: Partial<LoadedPlan> = {}): LoadedPlan {
  return {
    service: {
      id: newId<ServiceId>(),
      durationMin: 30,
      segments: [
        { kind: 'provider', offsetMin: 0, durationMin: 30 },
        { kind: 'room', offsetMin: -5, durationMin: 40 },
      ],
      gridStepMin: 15,
      gridAnchor: 'midnight',
      noticeMin: 60,
      horizonDays: 30,
      active: true,
    },
    location: { id: newId<LocationId>(), tz: 'UTC', active: true },
    providerKind: null,
    candidates: [provider(ada), room],
    busy: packed([], []),
    ...words,
  };
}
const searchAt = (words: Partial<LoadedPlan>, startMin: number, providerId: ResourceId | null = null) =>
  searchOf(planOf(loaded(words), providerId), startMin, startMin + 1, now);
const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (isAppError(error)) return error.code;
  }
  return 'none';
};

describe('what a decision is made of', () => {
  it('unpacks every candidate’s claims, lanes and times before 1970 included', () => {
    const plan = planOf(
      loaded({
        busy: packed(
          [[ten, ten + 30, 1]],
          [
            [-90, -60, 2],
            [ten, ten + 5, 1],
          ],
        ),
      }),
      null,
    );
    expect(plan.candidates.map(({ busy }) => busy)).toEqual([
      [{ startMin: ten, endMin: ten + 30, lane: 1 }],
      [
        { startMin: -90, endMin: -60, lane: 2 },
        { startMin: ten, endMin: ten + 5, lane: 1 },
      ],
    ]);
  });

  it('a service, a location or a provider that is not there is not found', () => {
    expect(codeOf(() => planOf(loaded({ service: null }), null))).toBe('service.not_found');
    expect(codeOf(() => planOf(loaded({ location: null }), null))).toBe('location.not_found');
    expect(codeOf(() => planOf(loaded(), ada))).toBe('resource.not_found');
    expect(codeOf(() => planOf(loaded({ providerKind: 'room' }), roomOne))).toBe('resource.not_found');
    expect(codeOf(() => planOf(loaded({ providerKind: 'provider' }), ada))).toBe('none');
  });

  it('a provider can be chosen only where exactly one is taken', () => {
    const two = loaded().service!;
    const service = {
      ...two,
      segments: [...two.segments, { kind: 'provider', offsetMin: 0, durationMin: 10 } as const],
    };
    const code = codeOf(() => planOf(loaded({ service, providerKind: 'provider' }), ada));
    expect(code).toBe('availability.provider_not_choosable');
  });

  it('more than 200 candidates are too many', () => {
    const crowd = Array.from({ length: 201 }, () => provider(newId<ResourceId>()));
    const code = codeOf(() => planOf(loaded({ candidates: crowd, busy: packed(...crowd.map(() => [])) }), null));
    expect(code).toBe('availability.search_too_wide');
  });

  it('what is not active is not offered', () => {
    const { service, location } = loaded();
    const inactive = (words: Partial<LoadedPlan>) => codeOf(() => expectOffered(planOf(loaded(words), null)));
    expect(inactive({ service: { ...service!, active: false } })).toBe('service.inactive');
    expect(inactive({ location: { ...location!, active: false } })).toBe('location.inactive');
  });
});

describe('why a start is refused', () => {
  it('a free start is not', () => {
    expect(decide(searchAt({}, ten), ten)).toBeNull();
  });

  it('only what is booked stands in the way: the slot is taken', () => {
    expect(decide(searchAt({ busy: packed([[ten + 10, ten + 20, 1]], []) }, ten), ten)).toBe('slot_taken');
    expect(decide(searchAt({ busy: packed([], [[ten - 30, ten - 4, 1]]) }, ten), ten)).toBe('slot_taken');
  });

  it('what ends when the segment begins is not in the way', () => {
    expect(decide(searchAt({ busy: packed([[ten - 30, ten, 1]], [[ten - 30, ten - 5, 1]]) }, ten), ten)).toBeNull();
  });

  it('no room serves this here: no_room, however free the provider is', () => {
    expect(decide(searchAt({ candidates: [provider(ada)], busy: packed([]) }, ten), ten)).toBe('no_room');
    expect(decide(searchAt({ candidates: [room], busy: packed([]) }, ten), ten)).toBe('no_provider');
  });

  it('outside hours, off the grid, too soon and too far ahead, each by its name', () => {
    const reason = (text: string) => decide(searchAt({}, minute(text)), minute(text));
    expect(reason('2026-12-01T17:00:00Z')).toBe('outside_hours');
    expect(reason('2026-12-01T10:05:00Z')).toBe('off_grid');
    expect(reason('2026-12-01T08:45:00Z')).toBe('notice_too_short');
    expect(reason('2026-12-31T10:00:00Z')).toBeNull();
    expect(reason('2027-01-01T10:00:00Z')).toBe('beyond_horizon');
  });

  it('notice counts whole minutes from now: the minute that has begun is lost', () => {
    const at = (ms: number) => searchOf(planOf(loaded(), null), ten, ten + 1, ms).earliestMin;
    expect(at(now)).toBe(minute('2026-12-01T09:00:00Z'));
    expect(at(now + 1)).toBe(minute('2026-12-01T09:01:00Z'));
  });

  it('a provider without hours is never there, a room without hours always is', () => {
    const never = { ...provider(ada), scheduled: null, schedules: null };
    expect(decide(searchAt({ candidates: [never, room] }, ten), ten)).toBe('outside_hours');
    const closed = { ...room, overrides: [{ date: '2026-12-01' as LocalDate, open: [] }] };
    expect(decide(searchAt({ candidates: [provider(ada), closed] }, ten), ten)).toBe('outside_hours');
    const expired = { ...room, scheduled: true as const };
    expect(decide(searchAt({ candidates: [provider(ada), expired] }, ten), ten)).toBe('outside_hours');
  });

  it('a chosen provider who is booked is taken, though another is free', () => {
    const words = {
      candidates: [provider(ada), provider(noor), room],
      busy: packed([[ten, ten + 30, 1]], [], []),
      providerKind: 'provider',
    };
    expect(decide(searchAt(words, ten), ten)).toBeNull();
    expect(decide(searchAt(words, ten, ada), ten)).toBe('slot_taken');
    expect(decide(searchAt(words, ten, noor), ten)).toBeNull();
  });
});

describe('what is learnt on the way', () => {
  it('a claim that the database refused is taken in the next attempt', () => {
    const search = searchAt({ candidates: [provider(ada), provider(noor), room], busy: packed([], [], []) }, ten);
    const [first] = assign(search, ten, 'seed', 1);
    const lost = first!.find(({ segment }) => segment.kind === 'provider')!;
    const known = withTaken(search, [lost]);
    const [second] = assign(known, ten, 'seed', 1);
    expect(second?.map(({ resourceId }) => resourceId)).not.toContain(lost.resourceId);
    expect(assign(withTaken(known, second!), ten, 'seed', 1)).toEqual([]);
  });

  it('a visit does not stand in its own way, and only its own claims are passed over', () => {
    const own = { resourceId: ada, startMin: ten - 15, endMin: ten + 15, lane: 1 };
    const busy = packed([[ten - 15, ten + 15, 1]], []);
    expect(decide(withoutOwn(searchAt({ busy }, ten), [own]), ten)).toBeNull();
    expect(decide(withoutOwn(searchAt({ busy }, ten), [{ ...own, resourceId: noor }]), ten)).toBe('slot_taken');
    expect(decide(withoutOwn(searchAt({ busy }, ten), [{ ...own, endMin: ten + 16 }]), ten)).toBe('slot_taken');
  });

  it('alternatives are the three nearest, in order of time', () => {
    const day = searchOf(planOf(loaded({ busy: packed([[ten, ten + 30, 1]], []) }), null), ten - 60, ten + 300, now);
    expect(nearest(findStarts(day), ten).map((start) => start - ten)).toEqual([-45, -30, 30]);
    expect(nearest([], ten)).toEqual([]);
  });
});
