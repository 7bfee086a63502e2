import { formatInstant, type LocalDate, MINUTES_PER_DAY } from '#infra/time';
import {
  assign,
  type Candidate,
  findStarts,
  MAX_CANDIDATES,
  MAX_SEARCH_DAYS,
  type ResourceKind,
  type Search,
  type Segment,
  whyNot,
} from './availability.js';
import { type ResourceId, resourceKinds } from './resource.js';
import { openWindows } from './schedule.js';

const NEW_YORK = 'America/New_York';
const minute = (text: string): number => Date.parse(`${text}Z`) / 60_000;
const id = (text: string): ResourceId => text as ResourceId;
const startsOf = (search: Search): readonly number[] => findStarts(search).map(({ startMin }) => startMin);

/** A small clinic: each resource open from nine to five in New York on one Wednesday, and free. */
const nineToFive = [{ startMin: minute('2026-07-01T13:00'), endMin: minute('2026-07-01T21:00') }];
const resource = (name: string, kind: ResourceKind, more: Partial<Candidate> = {}): Candidate => ({
  resourceId: id(name),
  kind,
  capacity: 1,
  open: nineToFive,
  busy: [],
  ...more,
});
const visit = (more: Partial<Search> = {}): Search => ({
  zone: NEW_YORK,
  fromMin: minute('2026-07-01T00:00'),
  toMin: minute('2026-07-02T00:00'),
  earliestMin: Number.NEGATIVE_INFINITY,
  latestMin: Number.POSITIVE_INFINITY,
  durationMin: 60,
  grid: { stepMin: 60, anchor: 'midnight' },
  segments: [{ kind: 'provider', offsetMin: 0, durationMin: 60 }],
  candidates: [resource('ana', 'provider')],
  ...more,
});
const clockTimes = (search: Search): readonly string[] =>
  startsOf(search).map((startMin) => formatInstant(startMin, search.zone).slice(11, 16));
const busyAt = (from: string, to: string, lane = 1) => ({
  startMin: minute(`2026-07-01T${from}`),
  endMin: minute(`2026-07-01T${to}`),
  lane,
});

describe('free starts', () => {
  it('stay at nine o’clock by the wall across both changes of New York’s clocks', () => {
    for (const [from, to] of [
      ['2026-03-06', '2026-03-11'],
      ['2026-10-30', '2026-11-04'],
    ] as const) {
      const [fromMin, toMin] = [minute(`${from}T05:00`), minute(`${to}T05:00`)];
      const rules = ([1, 2, 3, 4, 5, 6, 7] as const).map((weekday) => ({ weekday, opens: 540, closes: 660 }));
      const schedule = [{ validFrom: '2026-01-01' as LocalDate, validTo: null, rules }];
      const open = openWindows(NEW_YORK, schedule, [], fromMin, toMin);
      for (const anchor of ['midnight', 'opening'] as const) {
        const found = clockTimes(
          visit({ fromMin, toMin, grid: { stepMin: 60, anchor }, candidates: [resource('ana', 'provider', { open })] }),
        );
        expect(found).toEqual(Array.from({ length: 5 }, () => ['09:00', '10:00']).flat());
      }
    }
  });

  it('stand at nine o’clock UTC−7 in Vancouver on 1 December 2026', () => {
    const [fromMin, toMin] = [minute('2026-12-01T08:00'), minute('2026-12-02T08:00')];
    const rules = [{ weekday: 2 as const, opens: 540, closes: 660 }];
    const open = openWindows(
      'America/Vancouver',
      [{ validFrom: '2026-01-01' as LocalDate, validTo: null, rules }],
      [],
      fromMin,
      toMin,
    );
    const search = visit({
      zone: 'America/Vancouver',
      fromMin,
      toMin,
      candidates: [resource('ana', 'provider', { open })],
    });
    expect(startsOf(search).map((startMin) => formatInstant(startMin, 'America/Vancouver'))).toEqual([
      '2026-12-01T09:00:00-07:00',
      '2026-12-01T10:00:00-07:00',
    ]);
  });

  it('show one o’clock twice on the night that has it twice', () => {
    const open = [{ startMin: minute('2026-11-01T04:00'), endMin: minute('2026-11-01T08:00') }];
    const found = findStarts(
      visit({
        fromMin: minute('2026-11-01T04:00'),
        toMin: minute('2026-11-02T04:00'),
        candidates: [resource('ana', 'provider', { open })],
      }),
    );
    expect(found.map(({ startMin }) => formatInstant(startMin, NEW_YORK))).toEqual([
      '2026-11-01T00:00:00-04:00',
      '2026-11-01T01:00:00-04:00',
      '2026-11-01T01:00:00-05:00',
      '2026-11-01T02:00:00-05:00',
    ]);
  });

  it('need one lane for the whole visit, not a lane for each minute', () => {
    const busy = [busyAt('13:00', '13:30', 1), busyAt('13:30', '21:00', 2)];
    const relay = resource('laser', 'device', { capacity: 2, busy });
    const search = visit({
      segments: [{ kind: 'device', offsetMin: 0, durationMin: 60 }],
      grid: { stepMin: 30, anchor: 'midnight' },
      candidates: [relay],
    });
    expect(clockTimes(search)[0]).toBe('09:30');
    expect(findStarts(search)[0]?.providers).toBe(0);
  });

  it('count from each provider’s own opening when the grid does', () => {
    const late = { startMin: minute('2026-07-01T13:10'), endMin: minute('2026-07-01T15:00') };
    const search = visit({
      segments: [{ kind: 'provider', offsetMin: 0, durationMin: 40 }],
      grid: { stepMin: 40, anchor: 'opening' },
      candidates: [
        resource('ana', 'provider', {
          open: [{ startMin: minute('2026-07-01T13:00'), endMin: minute('2026-07-01T15:00') }],
        }),
        resource('ben', 'provider', { open: [late] }),
      ],
    });
    expect(clockTimes(search)).toEqual(['09:00', '09:10', '09:40', '09:50', '10:20']);
    expect(whyNot(search, minute('2026-07-01T13:20'))).toBe('off_grid');
    const together = findStarts({ ...search, segments: [...search.segments, ...search.segments] });
    expect(together.map(({ startMin }) => formatInstant(startMin, NEW_YORK).slice(11, 16))).toEqual([
      '09:10',
      '09:40',
      '09:50',
      '10:20',
    ]);
  });

  it('need two different providers for two segments for a provider', () => {
    const pair: readonly Segment[] = [
      { kind: 'provider', offsetMin: 0, durationMin: 60 },
      { kind: 'provider', offsetMin: 30, durationMin: 60 },
    ];
    const ana = resource('ana', 'provider', { capacity: 5 });
    expect(startsOf(visit({ segments: pair, candidates: [ana] }))).toEqual([]);
    const ben = resource('ben', 'provider', { busy: [busyAt('13:00', '20:00')] });
    const search = visit({
      segments: pair,
      grid: { stepMin: 30, anchor: 'midnight' },
      candidates: [ana, ben],
    });
    expect(findStarts(search)).toEqual([{ startMin: minute('2026-07-01T19:30'), providers: 2 }]);
  });
});

describe('an assignment', () => {
  it('is every possible one when fewer than asked for exist', () => {
    const names = (search: Search) =>
      assign(search, minute('2026-07-01T13:00'), 's', 20).map((found) =>
        found.map(({ resourceId, lane }) => `${resourceId}${lane}`).join(' '),
      );
    const rooms = [resource('r1', 'room'), resource('r2', 'room', { capacity: 2 })];
    const segmentsOf = (...kinds: readonly ResourceKind[]) =>
      kinds.map((kind) => ({ kind, offsetMin: 0, durationMin: 60 }));
    const search = visit({
      segments: segmentsOf('provider', 'room'),
      candidates: [resource('ana', 'provider'), resource('ben', 'provider'), ...rooms],
    });
    expect([...names(search)].sort()).toEqual(['ana1 r11', 'ana1 r21', 'ana1 r22', 'ben1 r11', 'ben1 r21', 'ben1 r22']);
    // Two nurses for two equal segments are one assignment, whichever comes first.
    const nurses = visit({
      segments: segmentsOf('provider', 'provider'),
      candidates: ['a', 'b', 'c'].map((name) => resource(name, 'provider')),
    });
    expect(names(nurses).length).toBe(3);
  });

  it('takes the provider with the fewest booked minutes first', () => {
    const busy = (minutes: number) => [
      { startMin: minute('2026-07-01T20:00'), endMin: minute('2026-07-01T20:00') + minutes, lane: 1 },
    ];
    const search = visit({
      candidates: [
        resource('ana', 'provider', { busy: busy(40) }),
        resource('ben', 'provider', { busy: busy(10) }),
        resource('cem', 'provider', { busy: busy(30) }),
      ],
    });
    const order = assign(search, minute('2026-07-01T13:00'), 'seed', 5).map(([one]) => one?.resourceId);
    expect(order).toEqual(['ben', 'cem', 'ana']);
  });

  it('breaks ties by the seed: stable for one visit, spread over many', () => {
    const search = visit({ candidates: Array.from({ length: 4 }, (_, i) => resource(`p${i}`, 'provider')) });
    const first = (seed: string) => assign(search, minute('2026-07-01T13:00'), seed, 1)[0]?.[0]?.resourceId;
    const counts = new Map<string | undefined, number>();
    for (let i = 0; i < 400; i += 1) counts.set(first(`visit-${i}`), (counts.get(first(`visit-${i}`)) ?? 0) + 1);
    expect(counts.size).toBe(4);
    for (const count of counts.values()) expect(count).toBeGreaterThan(60);
  });

  it('turns to other resources next, so that one lost race does not spoil the rest', () => {
    const candidates = resourceKinds.flatMap((kind) => [1, 2, 3].map((n) => resource(`${kind}${n}`, kind)));
    const search = visit({
      segments: resourceKinds.map((kind) => ({ kind, offsetMin: 0, durationMin: 60 })),
      candidates,
    });
    const found = assign(search, minute('2026-07-01T13:00'), 'seed', 3);
    const used = found.flat().map(({ resourceId }) => resourceId);
    expect(new Set(used).size).toBe(9);
  });
});

describe('a start is refused', () => {
  const at = (time: string): number => minute(`2026-07-01T${time}`);
  const whole: readonly Segment[] = [
    { kind: 'provider', offsetMin: 0, durationMin: 60 },
    { kind: 'room', offsetMin: -10, durationMin: 80 },
    { kind: 'device', offsetMin: 10, durationMin: 20 },
  ];
  const clinic = (more: Partial<Search> = {}, busy: Partial<Record<ResourceKind, Candidate['busy']>> = {}): Search =>
    visit({
      segments: whole,
      candidates: resourceKinds.map((kind) => resource(kind, kind, { busy: busy[kind] ?? [] })),
      ...more,
    });

  it('beyond the horizon and before the notice has run out, the bounds themselves allowed', () => {
    const search = clinic({ earliestMin: at('15:00'), latestMin: at('17:00') });
    const asked = ['14:00', '15:00', '17:00', '18:00'].map((time) => whyNot(search, at(time)));
    expect(asked).toEqual(['notice_too_short', null, null, 'beyond_horizon']);
  });

  it('off the grid', () => {
    expect(whyNot(clinic(), at('15:05'))).toBe('off_grid');
  });

  it('outside hours, whatever the bookings, and when only the preparation of the room is', () => {
    const search = clinic({}, { room: [busyAt('00:00', '23:00')] });
    expect(whyNot(search, at('10:00'))).toBe('outside_hours');
    expect(whyNot(search, at('13:00'))).toBe('outside_hours');
    expect(whyNot(search, at('14:00'))).toBe('no_room');
  });

  it('when every provider, room or device is taken, in that order', () => {
    const all = {
      provider: [busyAt('14:00', '15:00')],
      room: [busyAt('14:30', '16:00')],
      device: [busyAt('14:00', '18:00')],
    };
    const asked = ['14:00', '15:00', '17:00', '19:00'].map((time) => whyNot(clinic({}, all), at(time)));
    expect(asked).toEqual(['no_provider', 'no_room', 'no_device', null]);
  });

  it('for want of a device where there is none at all', () => {
    const search = clinic();
    const candidates = search.candidates.filter(({ kind }) => kind !== 'device');
    expect(whyNot({ ...search, candidates }, at('15:00'))).toBe('no_device');
  });
});

describe('a search', () => {
  it('has limits: 200 candidates, 92 days, segments within a day', () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => resource(`p${i}`, 'provider'));
    const days = (count: number) => ({ toMin: visit().fromMin + count * MINUTES_PER_DAY });
    expect(() => findStarts(visit({ candidates: many(MAX_CANDIDATES), ...days(MAX_SEARCH_DAYS) }))).not.toThrow();
    const one = visit().segments[0]!;
    const wrong: readonly Partial<Search>[] = [
      { candidates: many(MAX_CANDIDATES + 1) },
      days(MAX_SEARCH_DAYS + 1),
      days(0),
      { zone: 'Mars/Olympus' },
      { earliestMin: Number.NaN },
      { durationMin: 0 },
      { grid: { stepMin: 0, anchor: 'midnight' } },
      { grid: { stepMin: 7.5, anchor: 'midnight' } },
      { segments: [] },
      { segments: Array.from({ length: 5 }, () => one) },
      { segments: [{ ...one, durationMin: 0 }] },
      { segments: [{ ...one, offsetMin: -1441 }] },
      { candidates: [resource('a', 'provider'), resource('a', 'room')] },
      { candidates: [resource('a', 'provider', { capacity: 0 })] },
      { candidates: [resource('a', 'provider', { open: [...nineToFive, ...nineToFive] })] },
      { candidates: [resource('a', 'provider', { busy: [{ startMin: 10, endMin: 10, lane: 1 }] })] },
    ];
    for (const more of wrong) {
      expect(() => findStarts(visit(more))).toThrow(RangeError);
      expect(() => whyNot(visit(more), visit().fromMin)).toThrow(RangeError);
    }
    expect(() => whyNot(visit(), visit().toMin)).toThrow(RangeError);
    expect(() => assign(visit(), visit().fromMin - 1, 's', 1)).toThrow(RangeError);
    expect(() => assign(visit(), visit().fromMin, 's', 0)).toThrow(RangeError);
  });
});
