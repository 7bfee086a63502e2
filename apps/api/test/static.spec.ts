import { createHash } from 'node:crypto';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { type Edge, startEdge } from './edge-fixture.js';

const cdn = 'https://cdn.example';
const forAYear = 'public, max-age=31536000, immutable';
const hashIn = (path: string) => /\.([0-9a-f]{16})\.\w+$/.exec(path)?.[1];

const addressesIn = (page: string) => [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
const ask = (edge: Edge, url: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') =>
  edge.app.inject({ method, url, headers });
/** Every address under /static, as the manifest tells them. */
const addressesOf = async (edge: Edge): Promise<string[]> => [
  ...Object.values<string>((await ask(edge, '/static/manifest.json')).json()),
  '/static/manifest.json',
];

describe('static files', () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [] });
  });
  afterAll(() => edge.app.close());

  it('[A-032] [A-037] [E-103] with a hash of their content in their names are kept for a year; no other is', async () => {
    const addresses = await addressesOf(edge);
    const hashed = addresses.filter((address) => hashIn(address) !== undefined);
    expect(hashed.length).toBeGreaterThanOrEqual(4);
    for (const address of hashed) {
      const { statusCode, headers, rawPayload } = await ask(edge, address);
      expect([address, statusCode, headers['cache-control']]).toEqual([address, 200, forAYear]);
      expect(createHash('sha256').update(rawPayload).digest('hex').slice(0, 16)).toBe(hashIn(address));
    }
    const others = addresses.filter((address) => hashIn(address) === undefined);
    expect(others).toEqual(['/static/swagger-ui-bundle.js.LICENSE.txt', '/static/manifest.json']);
    for (const address of others) {
      const { statusCode, headers } = await ask(edge, address);
      expect([address, statusCode, headers['cache-control']]).toEqual([address, 200, 'no-cache']);
      const again = await ask(edge, address, { 'if-none-match': String(headers.etag) });
      expect([again.statusCode, again.body]).toEqual([304, '']);
    }
  });

  it('say exactly what they are, to HEAD without a body, and may be read by pages of other origins', async () => {
    const types: Readonly<Record<string, string>> = {
      css: 'text/css; charset=utf-8',
      js: 'text/javascript; charset=utf-8',
      json: 'application/json; charset=utf-8',
      png: 'image/png',
      txt: 'text/plain; charset=utf-8',
    };
    const seen = new Set<string>();
    for (const address of await addressesOf(edge)) {
      const extension = address.split('.').at(-1) ?? '';
      seen.add(extension);
      const got = await ask(edge, address);
      expect([address, got.headers['content-type']]).toEqual([address, types[extension]]);
      expect(got.headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'access-control-allow-origin': '*',
        'cross-origin-resource-policy': 'cross-origin',
      });
      const head = await ask(edge, address, {}, 'HEAD');
      expect([head.statusCode, head.body]).toEqual([200, '']);
      for (const name of ['content-type', 'content-length', 'cache-control', 'etag'])
        expect([address, name, head.headers[name]]).toEqual([address, name, got.headers[name]]);
    }
    expect([...seen].sort()).toEqual(Object.keys(types).sort());
  });

  it('are packed for whoever takes that, above 1 KB, under the same ETag', async () => {
    const script = (await addressesOf(edge)).find((address) => address.includes('bundle') && hashIn(address)) ?? '';
    const plain = await ask(edge, script);
    expect(plain.headers['content-encoding']).toBeUndefined();
    for (const [coding, unpack] of [
      ['br', brotliDecompressSync],
      ['gzip', gunzipSync],
    ] as const) {
      const packed = await ask(edge, script, { 'accept-encoding': coding });
      expect(packed.headers).toMatchObject({ 'content-encoding': coding, vary: 'Accept-Encoding' });
      expect(packed.headers.etag).toBe(plain.headers.etag);
      expect(packed.rawPayload.length).toBeLessThan(plain.rawPayload.length / 3);
      expect(unpack(packed.rawPayload).equals(plain.rawPayload)).toBe(true);
      const again = await ask(edge, script, {
        'accept-encoding': coding,
        'if-none-match': String(plain.headers.etag),
      });
      expect([again.statusCode, again.body]).toEqual([304, '']);
    }
    const small = (await addressesOf(edge)).find((address) => /\/start\./.test(address)) ?? '';
    expect((await ask(edge, small, { 'accept-encoding': 'br' })).headers['content-encoding']).toBeUndefined();
  });

  it('are a closed list: nothing else has an address there, however it is written', async () => {
    const [known = ''] = await addressesOf(edge);
    const strange = [
      '/static',
      '/static/',
      '/static/package.json',
      '/static/../package.json',
      '/static/..%2f..%2fpackage.json',
      '/static/%2e%2e/%2e%2e/etc/passwd',
      '/static/..%5c..%5cpackage.json',
      '/static/%00',
      '/static//etc/passwd',
      '/static/__proto__',
      '/static/constructor',
      `${known}%00`,
      `${known}/`,
      known.toUpperCase(),
      known.replace(/\.[0-9a-f]{16}\./, '.0123456789abcdef.'),
    ];
    for (const url of strange) {
      const answer = await ask(edge, url);
      expect([url, answer.statusCode]).toEqual([url, 404]);
      expect([url, answer.headers['content-type']]).toEqual([url, 'application/problem+json; charset=utf-8']);
      expect([url, answer.headers['cache-control']]).toEqual([url, 'no-store']);
    }
    for (const method of ['POST', 'PUT', 'DELETE'] as const)
      expect((await edge.app.inject({ method, url: known })).statusCode).toBe(404);
  });
});

describe('addresses of static files', () => {
  const settings = async (environment: Record<string, string>) => {
    const edge = await startEdge({ controllers: [], environment });
    const page = await ask(edge, '/docs');
    const [script = ''] = addressesIn(page.body).filter((address) => address.includes('bundle'));
    const { headers } = await ask(edge, new URL(script, 'http://api').pathname);
    return {
      addresses: [
        ...addressesIn(page.body).filter((address) => address.includes('/static/')),
        ...Object.values<string>((await ask(edge, '/static/manifest.json')).json()),
      ],
      policy: String(page.headers['content-security-policy']),
      kept: headers['cache-control'],
      page: page.body,
      end: () => edge.app.close(),
    };
  };

  it('[C-088] lead to STATIC_URL where it is set, else to where the page comes from', async () => {
    const away = await settings({ STATIC_URL: cdn });
    const here = await settings({});
    expect([away.addresses.length, here.addresses.length]).toEqual([9, 9]);
    expect(away.addresses.filter((address) => !address.startsWith(`${cdn}/static/`))).toEqual([]);
    expect(here.addresses.filter((address) => !address.startsWith('/static/'))).toEqual([]);
    expect(here.policy).not.toContain('http');
    expect(away.policy).toContain(`script-src 'self' ${cdn}; style-src 'self' ${cdn} 'unsafe-inline'`);
    expect(away.policy).toContain("connect-src 'self';");
    await away.end();
    await here.end();
  });

  it('[D-081] name no CDN while CDN_ENABLED is false; where it is true the files carry CDN_CACHE_TTL', async () => {
    const on = await settings({ CDN_ENABLED: 'true', CDN_CACHE_TTL: '86400', STATIC_URL: cdn });
    expect(on.kept).toBe('public, max-age=86400, immutable');
    expect(on.addresses.filter((address) => address.startsWith(cdn))).toHaveLength(9);
    const off = await settings({ CDN_ENABLED: 'false', CDN_CACHE_TTL: '86400', STATIC_URL: cdn });
    expect(off.addresses.filter((address) => address.includes('cdn'))).toEqual([]);
    expect(off.page + off.policy).not.toContain(cdn);
    expect(off.kept).toBe(forAYear);
    const usual = await settings({});
    expect(usual.kept).toBe(forAYear);
    for (const each of [on, off, usual]) await each.end();
  });

  it('are no place to send a token to: STATIC_URL is an origin, and the page runs only the content that it names', async () => {
    for (const wrong of ['https://cdn.example/assets', 'cdn.example', 'ftp://cdn.example', "https://cdn.example; 'x'"])
      await expect(startEdge({ controllers: [], environment: { STATIC_URL: wrong } })).rejects.toThrow('STATIC_URL');
    const { page, addresses, end } = await settings({ STATIC_URL: cdn });
    const scripts = [...page.matchAll(/<script src="([^"]+)" integrity="sha384-([^"]+)" crossorigin="anonymous">/g)];
    expect(scripts.map((match) => match[1])).toEqual(
      addresses.slice(0, 4).filter((address) => address.endsWith('.js')),
    );
    const edge = await startEdge({ controllers: [] });
    for (const [, address = '', digest] of scripts) {
      const { rawPayload } = await ask(edge, new URL(address).pathname);
      expect(createHash('sha384').update(rawPayload).digest('base64')).toBe(digest);
    }
    await edge.app.close();
    await end();
  });
});
