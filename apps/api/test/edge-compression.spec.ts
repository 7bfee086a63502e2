import { brotliDecompressSync, constants, gunzipSync, inflateSync } from 'node:zlib';
import { Controller, Get } from '@nestjs/common';
import { toDate } from '#infra/kernel';
import { compressionOptions } from '../src/edge/compression.js';
import { Access } from '../src/edge/index.js';
import { bearer, type Edge, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

@Controller('api/v1/auth/tokens')
class TokensController {
  @Get()
  @Access({ permission: 'things.read', audit: 'thing.read', limit: 'read', answers: null, summary: 'Tokens' })
  get() {
    return { token: 'clinic '.repeat(400) };
  }
}

/** A page as clinics know it, a little above a megabyte. */
const listed = Array.from({ length: 10_500 }, (_, n) => ({
  id: `01930000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`,
  startsAt: toDate(Date.UTC(2026, 10, 21, 9, n)).toISOString(),
  status: n % 3 === 0 ? 'confirmed' : 'cancelled',
}));

@Controller('api/v1/lists')
class ListsController {
  @Get()
  @Access({ permission: 'things.read', audit: 'thing.read', limit: 'read', answers: null, summary: 'A long list' })
  get() {
    return { items: listed };
  }
}

const decoders: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  br: brotliDecompressSync,
  gzip: gunzipSync,
  deflate: inflateSync,
  identity: (body) => body,
};

describe('compression', () => {
  const reader = person(['things.read', 'things.manage']);
  let edge: Edge;
  let plain: Edge;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [ThingsController, TokensController, ListsController], people: [reader] });
    plain = await startEdge({
      controllers: [ThingsController],
      people: [reader],
      environment: { ENABLE_COMPRESSION: 'false' },
    });
  });
  afterAll(async () => {
    await edge.app.close();
    await plain.app.close();
  });

  const get = async (path: string, accept?: string, from = edge) => {
    const headers = { ...bearer(reader), ...(accept === undefined ? {} : { 'accept-encoding': accept }) };
    const answer = await from.app.inject({
      method: 'GET',
      url: new URL(path, 'http://api/api/v1/things/').pathname,
      headers,
    });
    return { encoding: String(answer.headers['content-encoding'] ?? 'identity'), answer };
  };

  const table = [
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['br', 'br'],
    ['gzip', 'gzip'],
    ['deflate', 'deflate'],
    ['gzip, deflate, br', 'br'],
    ['gzip, deflate', 'gzip'],
    ['*', 'gzip'],
    ['br;q=0.2, gzip;q=0.9', 'gzip'],
    ['zstd, deflate;q=0.5', 'deflate'],
    ['zstd', 'identity'],
  ] as const;

  it('[C-025] [D-068] twelve values of Accept-Encoding get the encoding they ask for, and all decode to the same bytes', async () => {
    expect(table).toHaveLength(12);
    const original = (await get('large')).answer.rawPayload;
    for (const [accept, expected] of table) {
      const { encoding, answer } = await get('large', accept);
      expect([accept, encoding]).toEqual([accept, expected]);
      expect(decoders[encoding]?.(answer.rawPayload).equals(original)).toBe(true);
    }
  });

  it('[C-027] a list of 1 MB goes out under each of them as well, much smaller, and decodes to the same bytes', async () => {
    const original = (await get('../lists')).answer.rawPayload;
    expect(original.length).toBeGreaterThan(1_000_000);
    for (const [accept, expected] of table) {
      const { encoding, answer } = await get('../lists', accept);
      expect([accept, encoding, answer.statusCode]).toEqual([accept, expected, 200]);
      expect(decoders[encoding]?.(answer.rawPayload).equals(original)).toBe(true);
      if (encoding !== 'identity') expect(answer.rawPayload.length).toBeLessThan(original.length / 5);
    }
  });

  it('[D-069] brotli has quality 4, as the plug-in is registered', () => {
    expect(compressionOptions.brotliOptions.params[constants.BROTLI_PARAM_QUALITY]).toBe(4);
  });

  it('[D-070] gzip has level 6, as the plug-in is registered', () => {
    expect(compressionOptions.zlibOptions.level).toBe(6);
  });

  it('answers below 1 KiB, and answers with secrets, stay as they are', async () => {
    expect((await get('small', 'br')).encoding).toBe('identity');
    expect((await get('secret', 'br')).encoding).toBe('identity');
    expect((await get('../auth/tokens', 'br')).encoding).toBe('identity');
    expect((await get('large', 'br')).answer.rawPayload.length).toBeLessThan(1_000);
  });

  it('[C-072] ENABLE_COMPRESSION=false sends everything as it is, whatever is asked for', async () => {
    for (const [accept] of table) expect((await get('large', accept, plain)).encoding).toBe('identity');
  });

  it('a compressed body is refused: it could grow without limit', async () => {
    const answer = await edge.app.inject({
      method: 'POST',
      url: '/api/v1/things/checks',
      headers: { ...bearer(reader), 'content-type': 'application/json', 'content-encoding': 'gzip' },
      payload: Buffer.from([0x1f, 0x8b]),
    });
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'request.malformed_json']);
  });
});
