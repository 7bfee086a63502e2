import { newId } from '#infra/kernel';
import { baseTime, bearer, type Edge, newTenant, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

describe('who gets in', () => {
  const reader = person(['things.read']);
  const stranger = person([]);
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({
      controllers: [ThingsController],
      people: [reader, stranger],
      environment: { TRUSTED_PROXIES: '127.0.0.1/32,10.0.0.0/8' },
    });
  });
  afterAll(() => edge.app.close());

  const get = (url: string, headers: Record<string, string> = {}) => edge.app.inject({ method: 'GET', url, headers });

  it('nobody without a token, and the answer says how to log in', async () => {
    const answer = await get('/api/v1/things');
    expect([answer.statusCode, answer.json().code]).toEqual([401, 'access.login_required']);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  });

  it.each(['Basic YTpi', 'Bearer', 'Bearer a b', 'Bearer ünreadable', 'Bearer unknown'])(
    'not with the authorization %p',
    async (authorization) => {
      const answer = await edge.app.inject({ method: 'GET', url: '/api/v1/things', headers: { authorization } });
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
    },
  );

  it('only with the permission of the route, and the attempt is recorded under its audit verb', async () => {
    const before = edge.denied.length;
    const answer = await get(`/api/v1/things/${newId()}`, bearer(stranger));
    expect([answer.statusCode, answer.json().code]).toEqual([403, 'access.denied']);
    expect(edge.denied.slice(before)).toMatchObject([
      { action: 'thing.read', ctx: { actor: { id: stranger.actor.id }, tenant: { id: stranger.tenant.id } } },
    ]);
    expect((await get(`/api/v1/things/${newId()}`, bearer(reader))).statusCode).toBe(200);
  });

  it('a route about oneself asks for no permission but for a login', async () => {
    expect((await get('/api/v1/things/mine')).statusCode).toBe(401);
    expect((await get('/api/v1/things/mine', bearer(stranger))).statusCode).toBe(200);
  });

  it('the Context carries the tenant, the route as a template, the request id and a deadline in 30 s', async () => {
    const answer = await get('/api/v1/things/mine', { ...bearer(reader), 'x-request-id': 'r-1' });
    expect(answer.json()).toMatchObject({
      tenantId: reader.tenant.id,
      route: 'GET /api/v1/things/mine',
      requestId: 'r-1',
      deadlineMs: baseTime + 30_000,
    });
  });

  it.each([
    ['a peer that is a proxy of ours passes on its client', '203.0.113.9', '203.0.113.9'],
    ['the right-most address that is no proxy of ours counts', '198.51.100.1, 203.0.113.9, 10.1.2.3', '203.0.113.9'],
    ['an address of IPv6 is kept', '2001:db8::7', '2001:db8::7'],
    ['what is no address is not believed', 'unknown', '127.0.0.1'],
  ])('%s', async (_what, forwarded, expected) => {
    const answer = await get('/api/v1/things/mine', { ...bearer(reader), 'x-forwarded-for': forwarded });
    expect(answer.json().ip).toBe(expected);
  });

  it('a peer that is no proxy of ours is the client, whatever it claims', async () => {
    const answer = await edge.app.inject({
      method: 'GET',
      url: '/api/v1/things/mine',
      remoteAddress: '203.0.113.50',
      headers: { ...bearer(reader), 'x-forwarded-for': '198.51.100.1' },
    });
    expect(answer.json().ip).toBe('203.0.113.50');
  });

  it('the access log names tenant and user by id, the route by its template, and never the URL', async () => {
    const id = newId();
    await get(`/api/v1/things/${id}?name=Jane`, { ...bearer(reader), 'x-request-id': 'r-log' });
    const [line] = edge.lines.of('request.done').filter((it) => it['http.request.id'] === 'r-log');
    expect(line).toMatchObject({
      'http.route': '/api/v1/things/:id',
      'http.response.status_code': 422,
      'error.code': 'request.invalid',
      'organization.id': reader.tenant.id,
      'user.id': reader.actor.id,
    });
    expect(edge.lines.texts.join('')).not.toContain(id);
    expect(edge.lines.texts.join('')).not.toContain('Jane');
  });
});

describe('one call by its Idempotency-Key', () => {
  const tenant = newTenant();
  const ann = person(['things.read', 'things.manage'], tenant);
  const bob = person(['things.read', 'things.manage']);
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [ThingsController], people: [ann, bob] });
  });
  afterAll(() => edge.app.close());

  const make = (payload: object, key?: string, who = ann) =>
    edge.app.inject({
      method: 'POST',
      url: '/api/v1/things',
      headers: { ...bearer(who), ...(key === undefined ? {} : { 'idempotency-key': key }) },
      payload,
    });

  it('a call without a key is refused where the route wants one', async () => {
    const answer = await make({ name: 'x' });
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'idempotency.key_required']);
  });

  it.each(['', 'k'.repeat(256), 'two words', 'schlüssel'])('a key such as %p is refused', async (key) => {
    const answer = await make({ name: 'x' }, key);
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'idempotency.key_malformed']);
  });

  it('the fingerprint is of what is asked, not of how it is written, and of one tenant', async () => {
    const fingerprint = async (payload: object, who = ann) => (await make(payload, 'k', who)).json().fingerprint;
    const first = await fingerprint({ name: 'x', note: 'y' });
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprint({ note: 'y', name: 'x' })).toBe(first);
    expect(await fingerprint({ name: 'x', note: 'z' })).not.toBe(first);
    expect(await fingerprint({ name: 'x', note: 'y' }, bob)).not.toBe(first);
  });

  it('a repeated call is told that its answer is the earlier one', async () => {
    expect((await make({ name: 'replayed' }, 'k')).headers['idempotency-replayed']).toBe('true');
    expect((await make({ name: 'new' }, 'k')).headers['idempotency-replayed']).toBeUndefined();
  });

  it('a handler that promised to honour the key and did not is a bug', async () => {
    const answer = await make({ name: 'forgetful' }, 'k');
    expect([answer.statusCode, answer.json().code]).toEqual([500, 'idempotency.key_unused']);
    expect(answer.headers.etag).toBeUndefined();
    const logged = edge.lines.of('request.failed').map((line) => line['error.internal']);
    expect(logged).toEqual(['POST /api/v1/things never consumed its Idempotency-Key']);
  });

  it('a body nested beyond reason is refused before anything walks it', async () => {
    const answer = await edge.app.inject({
      method: 'POST',
      url: '/api/v1/things',
      headers: { ...bearer(ann), 'idempotency-key': 'k', 'content-type': 'application/json' },
      payload: `{"name":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
    });
    expect([answer.statusCode, answer.json().code]).toEqual([422, 'request.invalid']);
  });
});

describe('one version by its ETag', () => {
  const ann = person(['things.read', 'things.manage']);
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [ThingsController], people: [ann] });
  });
  afterAll(() => edge.app.close());

  const rename = (headers: Record<string, string>) =>
    edge.app.inject({
      method: 'PATCH',
      url: `/api/v1/things/${newId()}`,
      headers: { ...bearer(ann), ...headers },
      payload: { name: 'x' },
    });

  it('an answer shows its version as a strong ETag, which If-Match sends back', async () => {
    const read = await edge.app.inject({ method: 'GET', url: `/api/v1/things/${newId()}`, headers: bearer(ann) });
    expect(read.headers.etag).toBe('"v3"');
    const changed = await rename({ 'if-match': '"v3"' });
    expect([changed.statusCode, changed.headers.etag]).toEqual([200, '"v4"']);
  });

  it('a change of what has changed meanwhile is 412, and names the version that is', async () => {
    const answer = await rename({ 'if-match': '"v2"' });
    expect([answer.statusCode, answer.json().code, answer.headers.etag]).toEqual([412, 'thing.changed', '"v3"']);
  });

  it('a change without If-Match is 428', async () => {
    const answer = await rename({});
    expect([answer.statusCode, answer.json().code]).toEqual([428, 'request.if_match_required']);
  });

  it.each(['*', 'v3', '3', 'W/"v3"', '"v0"', '"v3", "v4"', '"v99999999999"'])('If-Match %p is 400', async (header) => {
    const answer = await rename({ 'if-match': header });
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'request.if_match_malformed']);
  });
});
