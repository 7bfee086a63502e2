import { AppError, errorKinds, newId } from '#infra/kernel';
import { refusalOf, statusOf } from '../src/edge/problem.js';
import { bearer, type Edge, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

describe('refusals', () => {
  const manager = person(['things.read', 'things.manage']);
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [ThingsController], people: [manager] });
  });
  afterAll(() => edge.app.close());

  const send = (method: string, url: string, payload?: unknown, headers: Record<string, string> = {}) =>
    edge.app.inject({ method, url, payload, headers: { ...bearer(manager), ...headers } } as never);

  it.each([
    ['unparsable', 400],
    ['unauthenticated', 401],
    ['payment_required', 402],
    ['forbidden', 403],
    ['not_found', 404],
    ['too_slow', 408],
    ['conflict', 409],
    ['gone', 410],
    ['precondition_failed', 412],
    ['too_large', 413],
    ['invalid', 422],
    ['precondition_required', 428],
    ['limited', 429],
    ['internal', 500],
    ['unavailable', 503],
    ['timeout', 504],
  ] as const)('a failure of kind %s is answered with status %i', (kind, status) => {
    expect(statusOf(kind)).toBe(status);
  });

  it('every kind of failure has a status', () => {
    expect(errorKinds.map(statusOf).every((status) => status >= 400)).toBe(true);
    expect(errorKinds).toHaveLength(16);
  });

  it('a refusal is a problem document with its code, its request and its documented extra members', async () => {
    const answer = await send('POST', '/api/v1/things/taken', undefined, { 'x-request-id': 'visit-7' });
    expect(answer.statusCode).toBe(409);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.headers['x-request-id']).toBe('visit-7');
    expect(answer.json()).toEqual({
      type: '/problems/thing.taken',
      title: 'Conflict',
      status: 409,
      detail: 'This thing is taken.',
      code: 'thing.taken',
      requestId: 'visit-7',
      alternatives: ['2026-12-01T10:00:00Z'],
    });
  });

  it('a bug gives its request id and nothing else, and the log has its cause', async () => {
    const answer = await send('POST', '/api/v1/things/bug');
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toEqual({
      type: '/problems/internal.unexpected',
      title: 'Internal Server Error',
      status: 500,
      detail: 'Something went wrong on our side.',
      code: 'internal.unexpected',
      requestId: answer.headers['x-request-id'],
    });
    const [logged] = edge.lines.of('request.failed').filter((line) => line['error.type'] === 'TypeError');
    expect(logged).toMatchObject({
      'http.request.id': answer.headers['x-request-id'],
      'http.route': '/api/v1/things/bug',
      'http.response.status_code': 500,
    });
    expect(String(logged?.['error.stack_trace'])).toContain('ThingsController.bug');
    expect(edge.lines.texts.join('')).not.toContain('Canary');
  });

  it('a declared internal failure keeps its own text for the log', async () => {
    const answer = await send('POST', '/api/v1/things/broken');
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('table');
    expect(answer.json().code).toBe('thing.broken');
    expect(edge.lines.texts.join('')).toContain('row 7 has no owner');
  });

  it.each([
    ['malformed JSON', 'POST', '/api/v1/things/checks', '{"name":', 400, 'request.malformed_json'],
    ['a poisoned prototype', 'POST', '/api/v1/things/checks', '{"__proto__":{"a":1}}', 400, 'request.malformed_json'],
    ['a malformed URL', 'GET', '/api/v1/things/%zz', undefined, 400, 'request.malformed_url'],
    ['an unknown route', 'GET', '/api/v1/nothings', undefined, 404, 'route.not_found'],
    ['an unknown method', 'DELETE', '/api/v1/things', undefined, 404, 'route.not_found'],
    ['a body beyond 1 MiB', 'POST', '/api/v1/things/checks', `"${'a'.repeat(1_048_576)}"`, 413, 'request.too_large'],
    ["a body beyond the route's limit", 'POST', '/api/v1/things/tiny', `"${'a'.repeat(64)}"`, 413, 'request.too_large'],
  ] as const)('%s has a stable code', async (_what, method, url, payload, status, code) => {
    const answer = await send(
      method,
      url,
      payload,
      payload === undefined ? {} : { 'content-type': 'application/json' },
    );
    expect([answer.statusCode, answer.json().code]).toEqual([status, code]);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  it('a body that is not JSON is refused by its media type', async () => {
    const answer = await send('POST', '/api/v1/things/checks', 'name=x', {
      'content-type': 'application/x-www-form-urlencoded',
    });
    expect([answer.statusCode, answer.json().code]).toEqual([415, 'request.unsupported_media_type']);
  });

  it('a limit and an outage say when to come back, in whole seconds', () => {
    const limited = new AppError('limited', 'a.b', 'Later.', { retryAfterMs: 1_200 });
    const down = new AppError('unavailable', 'a.b', 'Down.');
    expect(refusalOf(limited, 'r').headers).toEqual({ 'retry-after': '2' });
    expect(refusalOf(down, 'r').headers).toEqual({ 'retry-after': '1' });
  });

  it('an error that another library threw with a status of its own stays a bug', () => {
    const foreign = Object.assign(new Error('object store: no such key Jane'), { statusCode: 404, status: 404 });
    expect(refusalOf(foreign, 'r').problem).toMatchObject({ status: 500, code: 'internal.unexpected' });
  });

  it('a request id that could harm a log or a header is replaced', async () => {
    for (const given of ['a b', 'x'.repeat(65), 'é', '<script>']) {
      const answer = await send('GET', `/api/v1/things/${newId()}`, undefined, { 'x-request-id': given });
      expect(answer.headers['x-request-id']).toMatch(/^[A-Za-z0-9_-]{12}\.[0-9a-z]+$/);
    }
  });
});
