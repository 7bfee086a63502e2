import { bearer, type Edge, newTenant, type Person, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

describe('lists in pages', () => {
  const tenant = newTenant();
  const ann = person(['things.read'], tenant);
  const bob = person(['things.read'], tenant);
  const eve = person(['things.read']);
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [ThingsController], people: [ann, bob, eve] });
  });
  afterAll(() => edge.app.close());

  const list = (query: string, who: Person = ann, path = '/api/v1/things') =>
    edge.app.inject({ method: 'GET', url: `${path}${query}`, headers: bearer(who) });
  const cursorOf = async (query: string): Promise<string> => (await list(query)).json().page.nextCursor;

  it('has 25 items unless asked otherwise, and every item once up to a last page without a cursor', async () => {
    const seen: number[] = [];
    let query = '';
    for (let pages = 0; pages < 9; pages += 1) {
      const { data, page } = (await list(query)).json();
      seen.push(...data.map(({ n }: { n: number }) => n));
      if (page.nextCursor === null) break;
      query = `?cursor=${page.nextCursor}`;
    }
    expect(seen).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
    expect((await list('')).json().data).toHaveLength(25);
    expect((await list('?limit=100')).json().data).toHaveLength(100);
  });

  it.each([
    '?limit=0',
    '?limit=101',
    '?limit=1.5',
    '?limit=many',
    '?limit=1&limit=2',
    '?colour=green',
    '?page=0',
    '?page=1.5',
    '?count=true',
    '?page=1&count=yes',
  ])('refuses %s', async (query) => {
    const answer = await list(query);
    expect([answer.statusCode, answer.json().code]).toEqual([422, 'request.invalid']);
  });

  it('[E-034] each size of list has its own usual and largest page', async () => {
    for (const [path, usual, most] of [
      ['few', 10, 25],
      ['', 25, 100],
      ['many', 50, 250],
      ['lines', 100, 1_000],
    ] as const) {
      const at = (query: string) => list(query, ann, `/api/v1/things${path === '' ? '' : `/${path}`}`);
      const sizeOf = (answer: { json(): { limit?: number; data?: unknown[] } }) =>
        answer.json().limit ?? answer.json().data?.length;
      expect(sizeOf(await at(''))).toBe(usual);
      expect(sizeOf(await at(`?limit=${most}`))).toBe(most);
      expect((await at(`?limit=${most + 1}`)).statusCode).toBe(422);
    }
  });

  it('[C-026] without parameters it is a page by cursor, page=2 is the second one, and both together are refused', async () => {
    const first = (await list('')).json();
    const second = (await list('?page=2')).json();
    expect([first.data[0], second.data[0]]).toEqual([{ n: 1 }, { n: 26 }]);
    expect((await list(`?cursor=${first.page.nextCursor}`)).json().data).toEqual(second.data);
    const both = await list(`?page=2&cursor=${first.page.nextCursor}`);
    expect([both.statusCode, both.json().errors]).toEqual([
      422,
      [{ pointer: 'query/page', detail: 'goes without a cursor' }],
    ]);
  });

  it('[E-031] page n passes over (n − 1) × limit rows, and beyond row 10,000 is told to use a cursor', async () => {
    const lines = (query: string) => list(query, ann, '/api/v1/things/lines');
    for (const [page, limit] of [
      [1, 7],
      [3, 7],
      [10, 1_000],
      [100, 100],
    ] as const)
      expect((await lines(`?page=${page}&limit=${limit}`)).json()).toEqual({ limit, skip: (page - 1) * limit });
    for (const query of ['?page=11&limit=1000', '?page=101', '?page=10000&limit=2']) {
      const answer = await lines(query);
      expect([answer.statusCode, answer.json().errors?.[0]]).toEqual([
        422,
        { pointer: 'query/page', detail: 'ends at row 10,000: use cursor' },
      ]);
    }
  });

  it('says where a page stands: by the cursors of its ends, or by its number, and how many there are where that was asked', async () => {
    const pageOf = async (query: string) => (await list(query)).json().page;
    const text = expect.stringMatching(/^[A-Za-z0-9_-]+$/);
    const first = await pageOf('');
    const second = await pageOf(`?cursor=${first.nextCursor}`);
    const last = await pageOf(`?limit=100&cursor=${second.nextCursor}`);
    expect([first, second, last]).toEqual([
      { limit: 25, nextCursor: text, prevCursor: null },
      { limit: 25, nextCursor: text, prevCursor: text },
      { limit: 100, nextCursor: null, prevCursor: text },
    ]);
    expect(await pageOf('?page=3')).toEqual({ page: 3, limit: 25 });
    expect(await pageOf('?page=3&count=false')).toEqual({ page: 3, limit: 25 });
    const counted = { page: 1, limit: 50, total: 120, totalIsEstimate: false, pages: 3 };
    expect(await pageOf('?page=1&limit=50&count=true')).toEqual(counted);
  });

  it('is walked back as it was walked forth, from any page to the first', async () => {
    const seen: number[][] = [];
    const walk = async (cursorName: 'nextCursor' | 'prevCursor', from: string | null) => {
      let cursor = from;
      for (let pages = 0; cursor !== null && pages < 9; pages += 1) {
        const { data, page } = (await list(`?cursor=${cursor}`)).json();
        seen.push(data.map(({ n }: { n: number }) => n));
        cursor = page[cursorName];
      }
    };
    await walk('nextCursor', await cursorOf(''));
    const forth = seen.splice(0);
    const { prevCursor } = (await list(`?cursor=${await cursorOf('?limit=100')}`)).json().page;
    await walk('prevCursor', prevCursor);
    expect(forth.map(([first]) => first)).toEqual([26, 51, 76, 101]);
    expect(seen.map(([first]) => first)).toEqual([76, 51, 26, 1]);
    expect(seen.map(({ length }) => length)).toEqual([25, 25, 25, 25]);
  });

  it('whose pages go on is not sent again while it says the same, for as long as its cursors stay the same', async () => {
    const kept = (headers: Record<string, string> = {}) =>
      edge.app.inject({ method: 'GET', url: '/api/v1/things/kept', headers: { ...bearer(ann), ...headers } });
    const first = await kept();
    expect(first.json().page.nextCursor).toEqual(expect.any(String));
    const again = await kept({ 'if-none-match': String(first.headers.etag) });
    expect([again.statusCode, again.body]).toEqual([304, '']);
    const theirs = await edge.app.inject({ method: 'GET', url: '/api/v1/things/kept', headers: bearer(bob) });
    expect(theirs.json().page.nextCursor).not.toBe(first.json().page.nextCursor);
  });

  it('[E-030] the document says what a page may be', async () => {
    const document = (await edge.app.inject({ method: 'GET', url: '/openapi.json' })).json();
    const parameters = document.paths['/api/v1/things/few'].get.parameters as { name: string; schema: object }[];
    const schemaOf = (name: string) => parameters.find((each) => each.name === name)?.schema;
    expect(schemaOf('limit')).toMatchObject({ type: 'integer', minimum: 1, maximum: 25, default: 10 });
    expect(schemaOf('page')).toMatchObject({ type: 'integer', minimum: 1 });
    expect((await list('?page=0')).statusCode).toBe(422);
  });

  it('opens a cursor for whoever got it, on the route and with the filters that it was made for', async () => {
    const cursor = await cursorOf('?limit=5&colour=red');
    expect((await list(`?limit=7&colour=red&cursor=${cursor}`)).json().data[0]).toEqual({ n: 6 });
  });

  it('refuses a cursor of other filters, another user, another tenant or another route, all with the same words', async () => {
    const cursor = await cursorOf('?limit=5&colour=red');
    const answers = await Promise.all([
      list(`?limit=5&colour=blue&cursor=${cursor}`),
      list(`?limit=5&cursor=${cursor}`),
      list(`?limit=5&colour=red&cursor=${cursor}`, bob),
      list(`?limit=5&colour=red&cursor=${cursor}`, eve),
      list(`?limit=5&cursor=${await cursorOf('?limit=5')}`, ann, '/api/v1/things/others'),
      list(`?limit=5&colour=red&cursor=${cursor.slice(0, -2)}AA`),
      list('?cursor=not-a-cursor'),
      list('?cursor='),
    ]);
    expect(answers.map((answer) => answer.statusCode)).toEqual(answers.map(() => 400));
    expect(new Set(answers.map((answer) => `${answer.json().code}: ${answer.json().detail}`))).toEqual(
      new Set(['cursor.invalid: The cursor is not valid for this list, or has expired.']),
    );
  });

  it('refuses a cursor after one hour', async () => {
    const cursor = await cursorOf('');
    const minuteMs = 60_000;
    edge.clock.advance(59 * minuteMs);
    expect((await list(`?cursor=${cursor}`)).statusCode).toBe(200);
    edge.clock.advance(minuteMs);
    expect((await list(`?cursor=${cursor}`)).json().code).toBe('cursor.invalid');
  });
});
