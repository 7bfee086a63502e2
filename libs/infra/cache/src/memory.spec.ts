import { ConfigError, parseConfig } from '#infra/config';
import { FixedClock } from '#infra/kernel';
import { cacheConfig } from './cache.config.js';
import { Memory } from './memory.js';

const start = Date.parse('2026-11-20T12:00:00Z');
const entry = (text: string, epoch: number | null = 0) => ({
  strategy: 'general' as const,
  packed: Buffer.from(text),
  origin: { clockUs: 1, ttlMs: 1_000, costMs: 1, seen: null, tags: [] },
  epoch,
  mark: 0,
  scopes: [],
  freshUntil: start + 1_000,
});

describe('memory', () => {
  it('[D-033] holds as many entries as it is given, up to a million, fewer where their bytes are more, and none beyond 300 seconds', () => {
    const clock = new FixedClock(start);
    const parse = (env: Record<string, string>) => parseConfig({ cache: cacheConfig }, env).cache;
    const config = parse({ CACHE_MEMORY_MAX_ENTRIES: '1000000', CACHE_MEMORY_MAX_BYTES: String(1 << 20) });
    expect(() => parse({ CACHE_MEMORY_MAX_ENTRIES: '1000001' })).toThrow(ConfigError);
    expect(() => parse({ CACHE_MEMORY_TTL: '301' })).toThrow(ConfigError);
    const few = new Memory({ maxEntries: 100, maxBytes: config.memoryMaxBytes }, clock);
    const many = new Memory({ maxEntries: config.memoryMaxEntries, maxBytes: config.memoryMaxBytes }, clock);
    for (let n = 0; n < 10_000; n += 1)
      for (const memory of [few, many]) memory.put(`k${n}`, entry('x'.repeat(1_000)), config.memoryTtlS * 1_000);
    expect(few.total.entries).toBe(100);
    expect(many.total.entries).toBeGreaterThan(500);
    expect(many.total.bytes).toBeLessThanOrEqual(1 << 20);
    expect([many.get('k0', 0), many.get('k9999', 0)?.packed.length]).toEqual([undefined, 1_000]);
    clock.advance(300_001);
    expect([few.get('k9999', 0), many.get('k9999', 0)]).toEqual([undefined, undefined]);
  });

  it('counts exactly what each strategy holds, through replacement, removal, eviction and the end of its time', () => {
    const clock = new FixedClock(start);
    const memory = new Memory({ maxEntries: 3, maxBytes: 1 << 20 }, clock);
    for (const key of ['a', 'b', 'c', 'd', 'd']) memory.put(key, entry(key), 1_000);
    memory.put('e', { ...entry('e'), strategy: 'qrCodes' }, 1_000);
    expect([memory.occupancy('general').entries, memory.occupancy('qrCodes').entries]).toEqual([2, 1]);
    memory.drop('d');
    memory.drop('never there');
    expect(memory.occupancy('general').bytes + memory.occupancy('qrCodes').bytes).toBe(memory.total.bytes);
    clock.advance(2_000);
    for (const key of ['c', 'e']) expect(memory.get(key, 0)).toBeUndefined();
    expect([memory.occupancy('general'), memory.occupancy('qrCodes')]).toEqual([
      { entries: 0, bytes: 0 },
      { entries: 0, bytes: 0 },
    ]);
  });

  it('takes no entry that would push out a sixteenth of everything', () => {
    const memory = new Memory({ maxEntries: 10, maxBytes: 1 << 20 }, new FixedClock(start));
    memory.put('large', entry('x'.repeat(1 << 16)), 1_000);
    expect([memory.get('large', 0), memory.total, memory.occupancy('general')]).toEqual([
      undefined,
      { entries: 0, bytes: 0 },
      { entries: 0, bytes: 0 },
    ]);
  });

  it('forgets what was put before something was missed, but not what nothing can change', () => {
    const memory = new Memory({ maxEntries: 10, maxBytes: 1 << 20 }, new FixedClock(start));
    memory.put('mutable', entry('x', 4), 1_000);
    memory.put('immutable', entry('y', null), 1_000);
    expect(memory.get('mutable', 4)?.packed.toString()).toBe('x');
    expect([memory.get('mutable', 5), memory.get('mutable', 4)]).toEqual([undefined, undefined]);
    expect(memory.get('immutable', 5)?.packed.toString()).toBe('y');
  });
});
