import { handlersOfController } from '../src/edge/handlers.js';
import { bearer, type Edge, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

type Json = Record<string, never>;

describe('the documents', () => {
  const reader = person(['things.read']);
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [ThingsController], people: [reader] });
  });
  afterAll(() => edge.app.close());

  const get = (url: string) => edge.app.inject({ method: 'GET', url });
  const document = async () => (await get('/openapi.json')).json();

  it('/openapi.json is OpenAPI 3.1, with every route of the controllers', async () => {
    const { openapi, paths } = await document();
    expect(openapi).toMatch(/^3\.1\.\d+$/);
    expect(Object.keys(paths)).toContain('/api/v1/things/{id}');
    const operations = Object.values(paths as Record<string, object>).flatMap((item) => Object.keys(item));
    expect(operations).toHaveLength(handlersOfController(ThingsController).length);
  });

  it('an operation says who may, what it takes, what it answers and how it refuses', async () => {
    const { paths } = await document();
    const make = paths['/api/v1/things'].post;
    expect(make).toMatchObject({
      summary: 'Make a thing',
      tags: ['things'],
      security: [{ accessToken: [] }],
      'x-permission': 'things.manage',
      'x-audit': 'thing.manage',
      'x-limit': 'write',
    });
    expect(make.parameters).toMatchObject([{ name: 'Idempotency-Key', in: 'header', required: true }]);
    expect(make.requestBody.content['application/json'].schema).toMatchObject({
      type: 'object',
      required: ['name'],
      additionalProperties: false,
    });
    expect(make.responses['201'].content['application/json'].schema.required).toEqual(['id', 'name', 'version']);
    expect(Object.keys(make.responses)).toEqual(
      expect.arrayContaining(['201', '400', '401', '403', '409', '413', '415', '422', '429', '500', '503']),
    );
    const change = paths['/api/v1/things/{id}'].patch;
    expect(change.parameters.map(({ name }: Json) => name)).toEqual(['id', 'If-Match']);
    expect(Object.keys(change.responses)).toEqual(expect.arrayContaining(['404', '412', '428']));
    expect(paths['/api/v1/things/taken'].post['x-refusals']).toEqual(['thing.taken']);
  });

  it('every id is marked with the noun that it names, in paths, bodies and answers', async () => {
    const { paths } = await document();
    const marked = { type: 'string', format: 'uuid', 'x-id-of': 'thing' };
    expect(paths['/api/v1/things/{id}'].get.parameters[0].schema).toEqual(marked);
    const body = paths['/api/v1/things'].post.requestBody.content['application/json'].schema;
    expect(body.properties.ownerId.anyOf[0]).toEqual(marked);
    const answer = paths['/api/v1/things/{id}'].get.responses['200'].content['application/json'].schema;
    expect(answer.properties.id).toEqual(marked);
  });

  it('query parameters come from their schema', async () => {
    const { paths } = await document();
    expect(paths['/api/v1/things'].get.parameters).toEqual([
      {
        name: 'limit',
        in: 'query',
        required: false,
        schema: { type: 'integer', minimum: 1, maximum: 100, default: 25 },
      },
      { name: 'cursor', in: 'query', required: false, schema: { type: 'string', maxLength: 2048 } },
      { name: 'page', in: 'query', required: false, schema: { type: 'integer', minimum: 1, maximum: 10_000 } },
      { name: 'count', in: 'query', required: false, schema: { type: 'string', enum: ['true', 'false'] } },
      { name: 'colour', in: 'query', required: false, schema: { type: 'string', enum: ['red', 'blue'] } },
    ]);
  });

  it('every reference in the document leads somewhere', async () => {
    const whole = await document();
    const references = [...JSON.stringify(whole).matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(references.length).toBeGreaterThan(10);
    for (const reference of new Set(references))
      expect(reference.split('/').reduce((at, part) => at?.[part], whole)).toBeDefined();
  });

  it('/docs needs nothing from elsewhere: no address outside this server, and all its files are here', async () => {
    const page = await get('/docs');
    expect(page.statusCode).toBe(200);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.body).not.toMatch(/https?:|="\/\//);
    const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(files).toHaveLength(5);
    for (const file of files) {
      const answer = await get(file);
      expect([file, answer.statusCode]).toEqual([file, 200]);
      if (file.includes('/start.')) expect(answer.body).not.toMatch(/https?:/);
    }
    expect(page.body).not.toMatch(/<script>|<style|style=|onload=/);
  });

  it('the page and the document are asked for again each time, and sent again when they have changed', async () => {
    for (const url of ['/docs', '/openapi.json']) {
      const answer = await get(url);
      expect(answer.headers['cache-control']).toBe('no-cache');
      const headers = { 'if-none-match': String(answer.headers.etag), 'accept-encoding': 'br' };
      const again = await edge.app.inject({ method: 'GET', url, headers });
      expect([url, again.statusCode, again.body]).toEqual([url, 304, '']);
      expect((await edge.app.inject({ method: 'GET', url, headers: { 'if-none-match': '"other"' } })).body).toBe(
        answer.body,
      );
    }
  });

  it('the documents ask for no login; the API does', async () => {
    expect((await get('/openapi.json')).statusCode).toBe(200);
    expect((await get('/api/v1/things')).statusCode).toBe(401);
    expect((await edge.app.inject({ method: 'GET', url: '/api/v1/things', headers: bearer(reader) })).statusCode).toBe(
      200,
    );
  });
});
