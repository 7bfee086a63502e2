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
  const cursorOf = async (query: string): Promise<string> => (await list(query)).json().next;

  it('has 50 items unless asked otherwise, and every item once up to a last page without a cursor', async () => {
    const seen: number[] = [];
    let query = '';
    for (let pages = 0; pages < 5; pages += 1) {
      const { items, next } = (await list(query)).json();
      seen.push(...items.map(({ n }: { n: number }) => n));
      if (next === null) break;
      query = `?cursor=${next}`;
    }
    expect(seen).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
    expect((await list('')).json().items).toHaveLength(50);
    expect((await list('?limit=100')).json().items).toHaveLength(100);
  });

  it.each(['?limit=0', '?limit=101', '?limit=1.5', '?limit=many', '?limit=1&limit=2', '?colour=green', '?page=2'])(
    'refuses %s',
    async (query) => {
      const answer = await list(query);
      expect([answer.statusCode, answer.json().code]).toEqual([422, 'request.invalid']);
    },
  );

  it('opens a cursor for whoever got it, on the route and with the filters that it was made for', async () => {
    const cursor = await cursorOf('?limit=5&colour=red');
    expect((await list(`?limit=7&colour=red&cursor=${cursor}`)).json().items[0]).toEqual({ n: 6 });
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
