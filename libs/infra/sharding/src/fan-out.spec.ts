import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { type PageRequest, pageOf } from '#infra/kernel';
import { fanOut } from './fan-out.js';
import { cursorOf, type MergedPage, mergedPage, type Positions, positionsOf } from './fan-out-pages.js';
import { fail } from './sharding.errors.js';

const ids = Array.from({ length: 12 }, (_, n) => `shard-${n + 1}`);

describe('asking several databases', () => {
  it('asks eight at a time, and answers in the order in which they were named', async () => {
    let running = 0;
    let most = 0;
    const { data, shards } = await fanOut(ids, async (id) => {
      running += 1;
      most = Math.max(most, running);
      await sleep(id === 'shard-1' ? 20 : 2);
      running -= 1;
      return id;
    });
    expect(most).toBe(8);
    expect(data).toEqual(ids.map((id) => ({ id, value: id })));
    expect(shards).toEqual(ids.map((id) => ({ id, ok: true, ms: expect.any(Number), error: null })));
  });

  it('names the one that fails by its code, never its message, and the others’ answers stand', async () => {
    const answers: Record<string, () => Promise<string>> = {
      'shard-1': async () => 'one',
      'shard-2': async () => Promise.reject(fail('shard.unavailable', { internal: 'db-2.internal:5432' })),
      'shard-3': async () => Promise.reject(Object.assign(new Error('Zebulon'), { code: '57P01' })),
      'shard-4': async () => Promise.reject(new Error('Zebulon')),
      'shard-5': () => new Promise(() => undefined),
    };
    const { data, shards } = await fanOut(Object.keys(answers), (id) => answers[id]!(), { timeoutMs: 30 });
    expect(data).toEqual([{ id: 'shard-1', value: 'one' }]);
    expect(shards.map(({ id, ok, error }) => [id, ok, error])).toEqual([
      ['shard-1', true, null],
      ['shard-2', false, 'shard.unavailable'],
      ['shard-3', false, '57P01'],
      ['shard-4', false, 'unknown'],
      ['shard-5', false, 'database.timeout'],
    ]);
    expect(JSON.stringify(shards)).not.toMatch(/Zebulon|internal:/);
  });

  it('throws the first failure where all are needed, and asks no further one', async () => {
    const asked: string[] = [];
    const asking = fanOut(
      ids,
      async (id) => {
        asked.push(id);
        if (id === 'shard-2') throw fail('shard.unavailable', { internal: id });
        return id;
      },
      { onError: 'fail', concurrency: 1 },
    );
    await expect(asking).rejects.toMatchObject({ code: 'shard.unavailable' });
    expect(asked).toEqual(['shard-1', 'shard-2']);
  });
});

interface Item {
  readonly at: number;
  readonly id: string;
}
const compare = (a: Item, b: Item): number => a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/** Databases in memory that answer as repositories do, but for those that are away. */
const merging = (stored: ReadonlyMap<string, readonly Item[]>, away: ReadonlySet<string>) => ({
  ids: [...stored.keys()],
  keyOf: (item: Item) => item,
  compare,
  ask: (requests: ReadonlyMap<string, PageRequest<Item>>) =>
    fanOut([...requests.keys()], async (id) => {
      if (away.has(id)) throw fail('shard.unavailable', { internal: id });
      const { limit, after } = requests.get(id)!;
      const rest = (stored.get(id) ?? []).filter((item) => after === null || compare(item, after) > 0);
      return pageOf(rest.slice(0, limit + 1), { limit, after }, (item) => item);
    }),
});

const stores = fc
  .array(fc.array(fc.nat(40), { maxLength: 25 }), { minLength: 1, maxLength: 5 })
  .map(
    (shards) =>
      new Map(
        shards.map((ats, n) => [
          `shard-${n + 1}`,
          ats.map((at, k): Item => ({ at, id: `${String(k).padStart(3, '0')}-${n}` })).sort(compare),
        ]),
      ),
  );
const walks = fc.array(fc.record({ limit: fc.integer({ min: 1, max: 12 }), away: fc.array(fc.nat(4)) }), {
  minLength: 1,
  maxLength: 12,
});
const pagesMax = 500;

describe('one ordered list out of several databases', () => {
  it('is what sorting all of them in memory gives, page by page of any size', async () => {
    await fc.assert(
      fc.asyncProperty(stores, fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }), async (stored, limits) => {
        const seen: Item[] = [];
        let positions: Positions<Item> | null = {};
        for (let n = 0; positions !== null && n < pagesMax; n += 1) {
          const limit = limits[n % limits.length]!;
          const page: MergedPage<Item, Item> = await mergedPage(merging(stored, new Set()), { limit, positions });
          expect(page.items.length).toBeLessThanOrEqual(limit);
          if (page.next !== null) expect(page.items).toHaveLength(limit);
          seen.push(...page.items);
          positions = page.next;
        }
        expect(seen).toEqual([...stored.values()].flat().sort(compare));
      }),
      { numRuns: 300 },
    );
  });

  it('loses nothing and repeats nothing while databases go away and come back, and names them', async () => {
    await fc.assert(
      fc.asyncProperty(stores, walks, async (stored, walk) => {
        const seen: Item[] = [];
        let positions: Positions<Item> | null = {};
        for (let n = 0; positions !== null && n < pagesMax; n += 1) {
          // After the walk everything is there again.
          const { limit, away: absent } = walk[n] ?? { limit: 5, away: [] };
          const away = new Set(absent.map((k) => `shard-${k + 1}`));
          const sent = cursorOf(positions);
          const asked: Positions<Item> = positionsOf(sent, (key): key is Item => typeof key === 'object')!;
          const { items, next, shards }: MergedPage<Item, Item> = await mergedPage(merging(stored, away), {
            limit,
            positions: asked,
          });
          const open = [...stored.keys()].filter((id) => asked[id] !== 'ended');
          expect(shards.filter(({ ok }) => !ok).map(({ id }) => id)).toEqual(open.filter((id) => away.has(id)));
          for (const id of open.filter((one) => away.has(one))) expect(next?.[id]).toEqual(asked[id]);
          const there = open.filter((id) => !away.has(id)).flatMap((id) => stored.get(id) ?? []);
          const rest = there.filter((item) => !seen.includes(item)).sort(compare);
          expect(items).toEqual(rest.slice(0, limit));
          seen.push(...items);
          positions = next;
        }
        expect(positions).toBeNull();
        expect([...seen].sort(compare)).toEqual([...stored.values()].flat().sort(compare));
      }),
      { numRuns: 300 },
    );
  });

  it('takes no cursor that somebody made up', () => {
    const isKey = (key: unknown): key is Item => typeof (key as Item | undefined)?.at === 'number';
    const good = cursorOf({ 'shard-1': 'ended', 'shard-2': { after: { at: 1, id: 'a' } } });
    expect(positionsOf(good, isKey)).toEqual({ 'shard-1': 'ended', 'shard-2': { after: { at: 1, id: 'a' } } });
    const bad = ['', 'x', cursorOf({ 'shard-1': { after: 'x' } } as never), Buffer.from('[]').toString('base64url')];
    expect([...bad, good.repeat(400)].map((cursor) => positionsOf(cursor, isKey))).toEqual(
      [...bad, ''].map(() => null),
    );
  });
});
