import { newId, type TenantId } from '#infra/kernel';
import type { PublishedFact, Room } from '#infra/queues';
import { hasDrained, hold, isSlow, keptInOrder, lagFrom, topicsMax } from './slow-listener.js';

const tenantId = newId<TenantId>();
const fact = (seq: number, name: string, ...rooms: readonly Room[]): PublishedFact => ({
  tenantId,
  seq,
  name,
  at: 0,
  permission: 'appointments.read',
  rooms: rooms.length > 0 ? rooms : [{ of: 'tenant' }],
  payload: {},
});
const mebibyte = 1_048_576;

describe('a connection that does not read', () => {
  it('is slow beyond 256 packets or 1 MiB, and no longer when nothing but the last batch waits', () => {
    expect(isSlow({ packets: 256, bytes: mebibyte })).toBe(false);
    expect(isSlow({ packets: 257, bytes: 0 })).toBe(true);
    expect(isSlow({ packets: 1, bytes: mebibyte + 1 })).toBe(true);
    expect(hasDrained({ packets: 1, bytes: 0 })).toBe(false);
    expect(hasDrained({ packets: 0, bytes: 65_536 })).toBe(true);
    expect(hasDrained({ packets: 0, bytes: 65_537 })).toBe(false);
  });

  it('is held as long as it makes progress, and cut after 10 s without any', () => {
    const lagging = lagFrom({ packets: 300, bytes: mebibyte }, 0);
    expect(hold(lagging, { packets: 300, bytes: mebibyte }, 10_000)).toBe(true);
    expect(hold(lagging, { packets: 300, bytes: mebibyte - 1 }, 10_001)).toBe(true);
    expect(hold(lagging, { packets: 300, bytes: mebibyte - 1 }, 20_001)).toBe(true);
    expect(hold(lagging, { packets: 299, bytes: mebibyte + 9 }, 20_002)).toBe(true);
    expect(hold(lagging, { packets: 299, bytes: mebibyte + 9 }, 30_003)).toBe(false);
  });

  it('is cut at once beyond 4 MiB', () => {
    const lagging = lagFrom({ packets: 300, bytes: mebibyte }, 0);
    expect(hold(lagging, { packets: 300, bytes: 4 * mebibyte }, 1)).toBe(true);
    expect(hold(lagging, { packets: 300, bytes: 4 * mebibyte + 1 }, 2)).toBe(false);
  });

  it('keeps the newest fact of each topic, in the order of their places', () => {
    const [a, b] = [{ of: 'appointment', id: newId() } as const, { of: 'appointment', id: newId() } as const];
    const newest = new Map<string, PublishedFact>();
    const told = [
      fact(1, 'x.moved', a),
      fact(2, 'x.moved', b),
      fact(3, 'x.ended', a),
      fact(4, 'x.moved', a),
      fact(5, 'y.made'),
    ];
    for (const each of told) keptInOrder(newest, each);
    expect([...newest.values()].map(({ seq }) => seq)).toEqual([2, 3, 4, 5]);
  });

  it('keeps no more than 500 topics, the newest', () => {
    const newest = new Map<string, PublishedFact>();
    for (let seq = 1; seq <= topicsMax + 10; seq += 1)
      keptInOrder(newest, fact(seq, 'x.moved', { of: 'location', id: newId() }));
    expect([...newest.values()].map(({ seq }) => seq)).toEqual(Array.from({ length: topicsMax }, (_, n) => n + 11));
  });
});
