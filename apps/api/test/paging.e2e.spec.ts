import { newId } from '#infra/kernel';
import { countedRowsMax } from '#infra/sharding';
import { waitUntil } from '#infra/testing';
import { Api } from './house/api.js';
import { makeSide, newMember, type Side } from './house/world.js';

const rows = 10_000;
const pageSize = 100;
const path = '/api/v1/locations';

let api: Api;
let side: Side;
let neighbour: Side;
beforeAll(async () => {
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false' });
  side = await makeSide(api, 'shard-1');
  neighbour = await makeSide(api, 'shard-1');
}, 60_000);
afterAll(() => api?.stop());

/** Past the API, because ten thousand of them are what matters here, and not how they came. */
const open = (ids: readonly string[], of = side) =>
  api.db.asAdmin(
    'shard-1',
    `insert into location (tenant_id, id, name, tz, created_at, updated_at)
     select $1, id, 'Branch', 'Etc/UTC', now(), now() from unnest($2::uuid[]) as id`,
    [of.ctx.tenant.id, ids],
  );
const get = (query: Record<string, string>, at = path) =>
  api.must({ method: 'GET', path: at, query, token: side.owner.token });
const page = async (query: Record<string, string> = {}) =>
  (await get({ limit: String(pageSize), ...query })).json as {
    readonly data: readonly { readonly id: string }[];
    readonly page: {
      readonly nextCursor: string | null;
      readonly prevCursor: string | null;
      readonly total?: number;
      readonly totalIsEstimate?: boolean;
    };
  };
/** Ids and cursors are of this run; the rest is the contract. */
const shapeOf = (text: string) =>
  JSON.parse(
    text
      .replaceAll(/"[0-9a-f]{8}-[0-9a-f-]{27}"/g, '"<id>"')
      .replaceAll(/("(?:next|prev)Cursor"):"[\w-]{100,}"/g, '$1:"<cursor>"'),
  );

describe('a list', () => {
  it('[E-032] says by cursors or by number where its page stands', async () => {
    await api.must({ method: 'POST', path: '/api/v1/members', token: side.owner.token, body: newMember() });
    const members = async (query: Record<string, string>) => {
      const { text } = await get({ limit: '1', ...query }, '/api/v1/members');
      const { data, page: place } = shapeOf(text);
      return { items: data.length, page: place };
    };
    const located = async (query: Record<string, string>) => shapeOf((await get({ limit: '1', ...query })).text);
    await open([newId()]);
    await waitUntil(async () => (await page()).data.length === 2, 30_000);
    const [first, second] = [await get({ limit: '1' }), await page({ limit: '1' })];
    expect(shapeOf(first.text)).toMatchInlineSnapshot(`
{
  "data": [
    {
      "active": true,
      "id": "<id>",
      "name": "Main",
      "tz": "UTC",
      "version": 1,
    },
  ],
  "page": {
    "limit": 1,
    "nextCursor": "<cursor>",
    "prevCursor": null,
  },
}
`);
    expect(await located({ cursor: String(second.page.nextCursor) })).toMatchInlineSnapshot(`
{
  "data": [
    {
      "active": true,
      "id": "<id>",
      "name": "Branch",
      "tz": "Etc/UTC",
      "version": 1,
    },
  ],
  "page": {
    "limit": 1,
    "nextCursor": null,
    "prevCursor": "<cursor>",
  },
}
`);
    expect(await located({ page: '2' })).toMatchInlineSnapshot(`
{
  "data": [
    {
      "active": true,
      "id": "<id>",
      "name": "Branch",
      "tz": "Etc/UTC",
      "version": 1,
    },
  ],
  "page": {
    "limit": 1,
    "page": 2,
  },
}
`);
    expect(await located({ page: '2', count: 'true' })).toMatchInlineSnapshot(`
{
  "data": [
    {
      "active": true,
      "id": "<id>",
      "name": "Branch",
      "tz": "Etc/UTC",
      "version": 1,
    },
  ],
  "page": {
    "limit": 1,
    "page": 2,
    "pages": 2,
    "total": 2,
    "totalIsEstimate": false,
  },
}
`);
    expect(await members({})).toMatchInlineSnapshot(`
{
  "items": 1,
  "page": {
    "limit": 1,
    "nextCursor": "<cursor>",
    "prevCursor": null,
  },
}
`);
    expect(await members({ page: '1', count: 'true' })).toMatchInlineSnapshot(`
{
  "items": 1,
  "page": {
    "limit": 1,
    "page": 1,
    "pages": 2,
    "total": 2,
    "totalIsEstimate": false,
  },
}
`);
  });

  it('that goes on is answered 304 to whoever has it, until something in it changes', async () => {
    const ask = (headers: Record<string, string> = {}) =>
      api.call({ method: 'GET', path, query: { limit: '1' }, token: side.owner.token, headers });
    const seen = await ask();
    expect(seen.json.page.nextCursor).toEqual(expect.any(String));
    const again = await ask({ 'if-none-match': String(seen.headers.etag) });
    // The text of a cursor changes every ten minutes: one of the two may have come after that.
    const third = again.status === 304 ? again : await ask({ 'if-none-match': String((await ask()).headers.etag) });
    expect([third.status, third.text]).toEqual([304, '']);
    await api.db.asAdmin('shard-1', `update location set name = 'Elsewhere' where tenant_id = $1`, [
      side.ctx.tenant.id,
    ]);
    const changed = await waitUntil(
      async () => (await ask({ 'if-none-match': String(seen.headers.etag) })).status === 200,
      30_000,
    );
    expect(changed).toBe(true);
  });
});

describe('a list of ten thousand', () => {
  const cursorName = { forth: 'nextCursor', back: 'prevCursor' } as const;
  const walk = async (way: 'forth' | 'back', from: string | null, between: () => Promise<unknown>) => {
    const seen: string[] = [];
    let cursor = from;
    for (let pages = 0; pages < 2 * (rows / pageSize); pages += 1) {
      const told = await page(cursor === null ? {} : { cursor });
      const ids = told.data.map(({ id }) => id);
      seen.push(...(way === 'forth' ? ids : ids.reverse()));
      cursor = told.page[cursorName[way]];
      if (cursor === null) return { seen, last: told };
      await between();
    }
    throw new Error('a walk ends');
  };

  it('[E-033] [E-094] is walked by cursor, and back, while others are added: none of the first twice, none left out', async () => {
    const first = Array.from({ length: rows }, () => newId<string>());
    await open(first);
    // The replica answers lists, and was not told by a token what it has to have.
    const last = { page: String(rows / pageSize) };
    expect(await waitUntil(async () => (await page(last)).data.length === pageSize, 30_000)).toBe(true);
    // Some before the place of the walk, some after it.
    const add = () => open([crypto.randomUUID(), crypto.randomUUID(), newId<string>()]);
    const forth = await walk('forth', null, add);
    const back = await walk('back', forth.last.page.prevCursor, add);
    const backwards = [...forth.last.data.map(({ id }) => id).reverse(), ...back.seen];
    for (const seen of [forth.seen, backwards]) {
      const walked = new Set(seen);
      expect(walked.size).toBe(seen.length);
      expect(first.filter((id) => !walked.has(id))).toEqual([]);
    }

    const cursor = String((await page()).page.nextCursor);
    const tampered = await api.call({
      method: 'GET',
      path,
      query: { cursor: `${cursor.slice(0, -4)}AAAA` },
      token: side.owner.token,
    });
    expect([tampered.status, tampered.json.code]).toEqual([400, 'cursor.invalid']);
  }, 60_000);

  it('[E-037] is counted only where that is asked: exactly to a hundred thousand, by an estimate beyond', async () => {
    const counted = async () => (await page({ page: '1', count: 'true' })).page;
    await open(
      Array.from({ length: 300 }, () => newId<string>()),
      neighbour,
    );
    const mine = async () => {
      const [row] = await api.db.asAdmin<{ n: number }>(
        'shard-1',
        'select count(*)::int as n from location where tenant_id = $1',
        [side.ctx.tenant.id],
      );
      return row?.n ?? 0;
    };
    for (const query of [{}, { page: '1' }, { page: '1', count: 'false' }] as Record<string, string>[])
      expect((await page(query)).page).not.toHaveProperty('total');
    const many = await mine();
    expect(await waitUntil(async () => (await counted()).total === many, 30_000)).toBe(true);
    expect(await counted()).toEqual({
      ...{ page: 1, limit: pageSize },
      ...{ total: many, totalIsEstimate: false, pages: Math.ceil(many / pageSize) },
    });

    await open(Array.from({ length: countedRowsMax - many }, () => newId<string>()));
    await api.db.asAdmin('shard-1', 'analyze location');
    expect(await waitUntil(async () => (await counted()).total === countedRowsMax, 30_000)).toBe(true);
    expect(await counted()).toMatchObject({ total: 100_000, totalIsEstimate: false });
    await open([newId()]);
    await waitUntil(async () => (await counted()).totalIsEstimate === true, 30_000);
    const estimated = await counted();
    expect(estimated).toMatchObject({ page: 1, limit: pageSize, totalIsEstimate: true });
    expect(Number(estimated.total)).toBeGreaterThan(100_000);
    expect(Number(estimated.total)).toBeLessThan(110_000);
  }, 120_000);
});
