import fc from 'fast-check';
import { bearer, type Edge, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

const bodies = 10_000;

describe('input', () => {
  const manager = person(['things.read', 'things.manage']);
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [ThingsController], people: [manager] });
  });
  afterAll(() => edge.app.close());

  const check = (payload: string | object) =>
    edge.app.inject({
      method: 'POST',
      url: '/api/v1/things/checks',
      headers: { ...bearer(manager), 'content-type': 'application/json' },
      payload,
    });

  it('is read where it is right, instants with their offset', async () => {
    const answer = await check({
      name: ' Room 1 ',
      startsAt: '2026-12-01T09:30:00-07:00',
      on: '2026-12-01',
      email: 'ANN@clinic.example',
      price: { amountMinor: 12_500, currency: 'CAD' },
      parts: [{ kind: 'room', minutes: 30 }],
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json().startsAt).toBe(Date.UTC(2026, 11, 1, 16, 30));
  });

  it('is refused with a pointer to every mistake', async () => {
    const answer = await check({
      name: '',
      note: 'tab\tis fine, bell\u0007is not',
      startsAt: '2026-12-01T09:30:00',
      on: '2026-02-30',
      price: { amountMinor: 1.5, currency: 'cad', tip: 1 },
      parts: [
        { kind: 'room', minutes: 30 },
        { kind: 'corridor', minutes: 0 },
      ],
      'a/b~c': 1,
    });
    expect(answer.statusCode).toBe(422);
    expect(answer.json().code).toBe('request.invalid');
    const pointers = answer.json().errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(new Set(pointers)).toEqual(
      new Set([
        '/name',
        '/note',
        '/startsAt',
        '/on',
        '/price/amountMinor',
        '/price/currency',
        '/price',
        '/parts/1/kind',
        '/parts/1/minutes',
        '',
      ]),
    );
  });

  it('[D-062] unknown properties are refused at every depth, and 10,000 random bodies never make a 500', async () => {
    const unknown = await check({ name: 'x', colour: 'red' });
    const nested = await check({ name: 'x', price: { amountMinor: 1, currency: 'CAD', tip: 1 } });
    expect([unknown.statusCode, nested.statusCode]).toEqual([422, 422]);

    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(anyBody(), async (body) => {
        const { statusCode } = await check(body);
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
        return [200, 400, 422].includes(statusCode);
      }),
      { numRuns: bodies },
    );
    // The bodies reach every answer; otherwise nothing was tried.
    expect([...statuses.keys()].sort()).toEqual([200, 400, 422]);
    expect([...statuses.values()].reduce((sum, n) => sum + n, 0)).toBe(bodies);
  }, 120_000);

  it('no answer repeats what was sent, neither its values nor the names of its properties', async () => {
    const canary = 'Jane Canary';
    const sent = [
      { name: `${canary}\u0000` },
      { name: 'x', [canary]: 1 },
      { name: 'x', startsAt: canary, on: canary, email: canary, ownerId: canary, note: [canary] },
      { name: 'x', parts: [{ kind: canary, minutes: canary, [canary]: canary }] },
      `{"name":"${canary}`,
      `"${canary}"`,
    ];
    for (const body of sent) {
      const answer = await check(body);
      expect(answer.statusCode).toBeGreaterThanOrEqual(400);
      expect(answer.body).not.toContain('Canary');
    }
    expect(edge.lines.texts.join('')).not.toContain('Canary');
  });

  it('lists at most 50 mistakes', async () => {
    const answer = await edge.app.inject({
      method: 'POST',
      url: '/api/v1/things/checks',
      headers: bearer(manager),
      payload: { name: 'x', parts: Array.from({ length: 60 }, () => ({ kind: 'x' })) },
    });
    expect(answer.statusCode).toBe(422);
    expect(answer.json().errors).toHaveLength(50);
  });

  it('a query or a body that the route does not read is refused rather than passed over', async () => {
    const query = await edge.app.inject({ method: 'GET', url: '/api/v1/things/mine?all=1', headers: bearer(manager) });
    const body = await edge.app.inject({
      method: 'POST',
      url: '/api/v1/things/taken',
      headers: bearer(manager),
      payload: { a: 1 },
    });
    expect([query.statusCode, query.json().errors]).toEqual([
      422,
      [{ pointer: 'query', detail: 'takes no parameters' }],
    ]);
    expect([body.statusCode, body.json().errors]).toEqual([422, [{ pointer: '', detail: 'takes no body' }]]);
  });
});

/** Right bodies, right ones with something wrong in them, JSON of any shape, and text that is no JSON. */
function anyBody(): fc.Arbitrary<string> {
  const scrap = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\u0000', '\ud800', '2026-02-30', '9999-99-99', '', -1, 1e308, null, [], {}),
  );
  const right = fc.record(
    {
      name: fc.string({ minLength: 1, maxLength: 40 }),
      note: fc.string({ unit: 'binary', maxLength: 500 }),
      ownerId: fc.uuid(),
      startsAt: fc.date({ noInvalidDate: true }).map((date) => date.toJSON()),
      on: fc.date({ noInvalidDate: true }).map((date) => date.toJSON().slice(0, 10)),
      email: fc.emailAddress(),
      price: fc.record({ amountMinor: fc.integer(), currency: fc.constantFrom('CAD', 'usd') }),
      parts: fc.array(fc.record({ kind: fc.constantFrom('room', 'device'), minutes: fc.integer() })),
    },
    { requiredKeys: ['name'] },
  );
  const names = fc.constantFrom('name', 'note', 'ownerId', 'startsAt', 'on', 'email', 'price', 'parts', 'other');
  const wrong = fc.tuple(right, names, scrap).map(([body, name, value]) => ({ ...body, [name]: value }));
  return fc.oneof(
    right.map((body) => JSON.stringify(body)),
    wrong.map((body) => JSON.stringify(body)),
    fc.json(),
    fc.string({ unit: 'binary' }),
  );
}
