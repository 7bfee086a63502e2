import fc from 'fast-check';
import { newId, type Page, type PageRequest, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import type { ReadDb } from './db.js';
import { applyKeyset, type Keyset, listed } from './keyset.js';

interface Row {
  readonly a: number;
  readonly b: string;
}
type Key = readonly [number, string];

let db: TestDatabases;
let ctx: TenantContext;
beforeAll(async () => {
  db = await openTestDatabases();
  ctx = { ...(await db.newTenant({ shardId: 'shard-1' })), deadline: db.clock.now() + 600_000 };
}, 60_000);
afterAll(() => db?.close());

const keysetOf = (descending: boolean): Keyset<Row, Key> => ({
  columns: ['r.a', 'r.b'],
  descending,
  keyOf: ({ a, b }) => [a, b],
  valuesOf: (key) => key,
});
/** Whatever rows a run makes up, as PostgreSQL has them: `a` may be alike, both together are not. */
const listingOf = (rows: readonly Row[]) => ({
  select: `select r.a, r.b from unnest($1::int[], $2::uuid[]) as r (a, b) where r.a >= $3`,
  values: [rows.map(({ a }) => a), rows.map(({ b }) => b), 0],
});
const pageIn = (tx: ReadDb, rows: readonly Row[], descending: boolean, page: PageRequest<Key>) =>
  listed(tx, listingOf(rows), keysetOf(descending), page);

/** Below 0 where `x` comes first: the memory's idea of the same order. */
const compare = ([xa, xb]: Key, [ya, yb]: Key): number => xa - ya || (xb < yb ? -1 : xb > yb ? 1 : 0);
function inMemory(rows: readonly Row[], descending: boolean, page: PageRequest<Key>): Page<Row, Key> {
  const { limit, after, before = null, skip = 0 } = page;
  const ordered = rows
    .map(({ a, b }): Key => [a, b])
    .filter(([a]) => a >= 0)
    .sort((x, y) => (descending ? compare(y, x) : compare(x, y)));
  const follows = (key: Key, place: Key) => (descending ? compare(key, place) < 0 : compare(key, place) > 0);
  const place = before ?? after;
  const split = ordered.filter(
    (key) => place !== null && !follows(key, place) && (before === null || !alike(key, place)),
  );
  const start = before === null ? split.length + skip : Math.max(0, split.length - limit);
  // Nothing is left before that place: the list is shown from its beginning.
  const shown =
    before !== null && split.length === 0
      ? ordered.slice(0, limit)
      : ordered.slice(start, before === null ? start + limit : split.length);
  const begins = before !== null && split.length === 0 ? 0 : start;
  const ends = begins + shown.length;
  const more = before !== null && split.length > 0 ? true : ends < ordered.length;
  const precedes = before !== null ? begins > 0 : after !== null || skip > 0;
  return {
    items: shown.map(([a, b]) => ({ a, b })),
    next: shown.length > 0 && more ? (shown.at(-1) as Key) : null,
    previous: shown.length > 0 && precedes ? (shown[0] as Key) : null,
  };
}
const alike = ([xa, xb]: Key, [ya, yb]: Key) => xa === ya && xb === yb;

const row = fc.record({ a: fc.integer({ min: -2, max: 6 }), b: fc.uuid() });
const rowsOf = fc.uniqueArray(row, { maxLength: 40, selector: ({ a, b }) => `${a} ${b}` });

describe('a page of a list', () => {
  it('[E-035] is what sorting in memory gives: a thousand random pages, from any place, either way', async () => {
    const place = fc.option(fc.nat(45));
    const asked = fc.record({ limit: fc.integer({ min: 1, max: 9 }), skip: fc.nat(12), backward: fc.boolean() });
    await db.sharding.read(ctx, (tx) =>
      fc.assert(
        fc.asyncProperty(rowsOf, fc.boolean(), asked, place, row, async (rows, descending, how, nth, elsewhere) => {
          // A key of the list, or one that no row has, as after a removal.
          const { a, b } = (nth === null ? undefined : rows[nth]) ?? elsewhere;
          const key: Key | null = nth === null ? null : [a, b];
          const { limit, skip, backward } = how;
          const page = backward
            ? { limit, after: null, before: key }
            : { limit, after: key, skip: key === null ? skip : 0 };
          expect(await pageIn(tx.db, rows, descending, page)).toEqual(inMemory(rows, descending, page));
        }),
        { numRuns: 1_000 },
      ),
    );
  }, 60_000);

  it('leads on to every row once, and back from the end to the beginning', async () => {
    await db.sharding.read(ctx, (tx) =>
      fc.assert(
        fc.asyncProperty(rowsOf, fc.boolean(), fc.integer({ min: 1, max: 9 }), async (rows, descending, limit) => {
          const all = (await pageIn(tx.db, rows, descending, { limit: 1_000, after: null })).items;
          const forth: Row[] = [];
          let page = await pageIn(tx.db, rows, descending, { limit, after: null });
          forth.push(...page.items);
          while (page.next !== null) {
            page = await pageIn(tx.db, rows, descending, { limit, after: page.next });
            forth.push(...page.items);
          }
          expect(forth).toEqual(all);
          const back = [...page.items];
          while (page.previous !== null) {
            page = await pageIn(tx.db, rows, descending, { limit, after: null, before: page.previous });
            back.unshift(...page.items);
          }
          expect(back).toEqual(all);
        }),
        { numRuns: 50 },
      ),
    );
  }, 60_000);

  it('is read from its index, whichever way it goes: no row is sorted, and none is passed over', async () => {
    const byStart: Keyset<{ readonly start: number; readonly id: string }, Key> = {
      columns: ['start_min', 'id'],
      keyOf: ({ start, id }) => [start, id],
      valuesOf: (key) => key,
    };
    const select = 'select start_min as start, id from block where tenant_id = $1 and resource_id = $2';
    const listing = { select, values: [ctx.tenant.id, newId()] };
    const key: Key = [60, newId()];
    const planOf = (page: PageRequest<Key>, descending: boolean) =>
      db.sharding.read(ctx, async ({ db: tx }) => {
        for (const setting of ['enable_seqscan', 'enable_sort', 'enable_bitmapscan'])
          await tx.query('select set_config($1, $2, true)', [setting, 'off']);
        const { text, values } = applyKeyset(listing, { ...byStart, descending }, page);
        const lines = await tx.query<{ readonly 'QUERY PLAN': string }>(`explain (costs off) ${text}`, values);
        return lines.map((line) => line['QUERY PLAN'].trim()).join('\n');
      });
    const from = [{ after: key }, { after: null, before: key }, { after: null }];
    for (const descending of [false, true])
      for (const place of from) {
        const plan = await planOf({ limit: 7, ...place }, descending);
        const backward = descending !== (place.after === null && 'before' in place);
        expect(plan).not.toContain('Sort');
        expect(plan).toContain(`Index Only Scan ${backward ? 'Backward ' : ''}using block_by_resource`);
        if (place !== from[2])
          expect(plan).toContain(backward ? '(ROW(start_min, id) < ROW(' : '(ROW(start_min, id) > ROW(');
        expect(plan).toMatch(/Index Cond: .*tenant_id = /);
      }
  });

  it('counts its list where that is asked, and only there', async () => {
    const rows = Array.from({ length: 30 }, (_, a) => ({ a, b: crypto.randomUUID() }));
    const countOf = (page: Partial<PageRequest<Key>>) =>
      db.sharding.read(ctx, async (tx) => (await pageIn(tx.db, rows, false, { limit: 7, after: null, ...page })).total);
    expect(await countOf({})).toBeUndefined();
    expect(await countOf({ counted: true })).toEqual({ rows: 30, isEstimate: false });
    expect(await countOf({ counted: true, skip: 28 })).toEqual({ rows: 30, isEstimate: false });
  });
});
