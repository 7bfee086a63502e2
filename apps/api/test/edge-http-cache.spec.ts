import { Controller, Get } from '@nestjs/common';
import { newId } from '#infra/kernel';
import { Access } from '../src/edge/index.js';
import { bearer, type Edge, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

@Controller('api/v1/window')
class WindowController {
  @Get()
  @Access({
    permission: 'public',
    audit: 'none',
    limit: 'public',
    caching: 'public',
    answers: null,
    summary: 'For everybody',
  })
  get() {
    return { shows: 'the same to everybody' };
  }
}

describe('what a client may keep', () => {
  const ann = person(['things.read', 'things.manage']);
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [ThingsController], people: [ann] });
  });
  afterAll(() => edge.app.close());

  const get = async (path: string, headers: Record<string, string> = {}) =>
    await edge.app.inject({ method: 'GET', url: `/api/v1/things/${path}`, headers: { ...bearer(ann), ...headers } });

  it('is nothing unless the route says so', async () => {
    const answer = await get('small');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers.etag).toBeUndefined();
  });

  it('figures for five minutes, by whoever they are for', async () => {
    const { headers } = await get('figures');
    expect(headers).toMatchObject({ 'cache-control': 'private, max-age=300', vary: 'Authorization' });
    expect((await get('figures', { 'if-none-match': String(headers.etag) })).statusCode).toBe(304);
  });

  it('a catalogue until it changes: 304 without a body while it has not, compressed or not', async () => {
    const plain = await get('catalogue');
    const zipped = await get('catalogue', { 'accept-encoding': 'gzip' });
    const tag = String(plain.headers.etag);
    expect(plain.headers['cache-control']).toBe('private, no-cache');
    expect([zipped.headers['content-encoding'], zipped.headers.etag]).toEqual(['gzip', tag]);
    expect(String(zipped.headers.vary).toLowerCase()).toContain('authorization');
    expect(String(zipped.headers.vary).toLowerCase()).toContain('accept-encoding');
    for (const headers of [{}, { 'accept-encoding': 'gzip' }] as Record<string, string>[]) {
      const unchanged = await get('catalogue', { 'if-none-match': `"other", ${tag}`, ...headers });
      expect([unchanged.statusCode, unchanged.body, unchanged.headers.etag]).toEqual([304, '', tag]);
    }
    ThingsController.catalogued += 'and more';
    const changed = await get('catalogue', { 'if-none-match': tag });
    expect(changed.statusCode).toBe(200);
    expect(changed.headers.etag).not.toBe(tag);
  });

  it('an entity’s version says that it has not changed, though nobody may store it', async () => {
    const id = newId();
    expect((await get(id, { 'if-none-match': '"v3"' })).statusCode).toBe(304);
    expect((await get(id, { 'if-none-match': '*' })).statusCode).toBe(304);
    const other = await get(id, { 'if-none-match': '"v2"' });
    expect([other.statusCode, other.headers['cache-control']]).toEqual([200, 'no-store']);
  });

  it('a change is never answered with 304', async () => {
    const answer = await edge.app.inject({
      method: 'PATCH',
      url: `/api/v1/things/${newId()}`,
      headers: { ...bearer(ann), 'if-match': '"v3"', 'if-none-match': '*' },
      payload: { name: 'new' },
    });
    expect(answer.statusCode).toBe(200);
  });

  it('what is for everybody is kept by everybody, for CACHE_CONTROL_MAX_AGE and a minute while it is asked for anew', async () => {
    const environment = { CORS_ORIGINS: 'https://clinic.example' };
    for (const [more, seconds] of [
      [{}, 3_600],
      [{ CACHE_CONTROL_MAX_AGE: '120' }, 120],
    ] as const) {
      const open = await startEdge({ controllers: [WindowController], environment: { ...environment, ...more } });
      const ask = (headers: Record<string, string>) =>
        open.app.inject({ method: 'GET', url: '/api/v1/window', headers });
      for (const origin of ['https://clinic.example', 'https://elsewhere.example']) {
        const { headers } = await ask({ origin });
        expect(headers['cache-control']).toBe(`public, max-age=${seconds}, stale-while-revalidate=60`);
        expect(headers['access-control-allow-origin']).toBe('*');
        expect(String(headers.vary).toLowerCase()).not.toContain('authorization');
        const unchanged = await ask({ origin, 'if-none-match': String(headers.etag) });
        expect([unchanged.statusCode, unchanged.body]).toEqual([304, '']);
        expect(unchanged.headers['cache-control']).toBe(headers['cache-control']);
      }
      await open.app.close();
    }
  });

  it('what one needs a login for may not say that it is for everybody', async () => {
    @Controller('mine')
    class MineController {
      @Get()
      @Access({ permission: 'self', audit: 'none', limit: 'read', caching: 'public', answers: null, summary: 'Mine' })
      mine() {
        return {};
      }
    }
    await expect(startEdge({ controllers: [MineController] })).rejects.toThrow('the same for everybody');
  });

  it('a route whose reading is audited may not say that clients keep it', async () => {
    @Controller('kept')
    class KeptController {
      @Get()
      @Access({
        permission: 'self',
        audit: 'thing.read',
        limit: 'read',
        caching: 'revalidate',
        answers: null,
        summary: 'Personal, and kept',
      })
      kept() {
        return {};
      }
    }
    await expect(startEdge({ controllers: [KeptController] })).rejects.toThrow('without personal data');
  });
});
