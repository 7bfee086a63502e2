import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Asset } from './asset.js';
import { encodingFor } from './encoding.js';
import { StaticFiles } from './static-files.js';

const style = Buffer.from('a { color: teal; } '.repeat(200));

describe('a file', () => {
  it('gets a name that changes with its content, and with nothing else', () => {
    const one = Asset.hashed('theme.css', style);
    expect(one.name).toMatch(/^theme\.[0-9a-f]{16}\.css$/);
    expect(Asset.hashed('theme.css', Buffer.from(style)).name).toBe(one.name);
    expect(Asset.hashed('theme.css', Buffer.from('a { color: red; }')).name).not.toBe(one.name);
    expect([one.isHashed, new Asset('theme.css', style).isHashed]).toEqual([true, false]);
  });

  it('does not begin to be served where its name promises other content, or where nobody knows what it is', () => {
    const { name } = Asset.hashed('theme.css', style);
    expect(new Asset(name, style).isHashed).toBe(true);
    expect(() => new Asset(name, Buffer.from('changed'))).toThrow(`${name} promises other content than it has`);
    const source = { name, content: Buffer.from('changed'), fixedName: true } as const;
    const config = { cdnEnabled: true, cdnMaxAgeS: 60, staticUrl: undefined, compression: true };
    expect(() => new StaticFiles([source], config)).toThrow('promises other content');
    for (const unknown of ['page.php', 'README', '.env', 'a.mjs'])
      expect(() => new Asset(unknown, style)).toThrow('nobody knows the media type');
  });

  it('is packed once, and unpacks to the same bytes; small ones and pictures stay as they are', async () => {
    const asset = new Asset('theme.css', style);
    expect(asset.packed('br')).toBe(asset.packed('br'));
    expect(brotliDecompressSync(await asset.packed('br')).equals(style)).toBe(true);
    expect(gunzipSync(await asset.packed('gzip')).equals(style)).toBe(true);
    expect((await asset.packed('br')).length).toBeLessThan(style.length / 10);
    expect([asset.varies, new Asset('x.css', style.subarray(0, 1_024)).varies]).toEqual([true, false]);
    expect(new Asset('x.png', style).varies).toBe(false);
  });
});

describe('an encoding', () => {
  it.each([
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['br', 'br'],
    ['gzip', 'gzip'],
    ['gzip, deflate, br, zstd', 'br'],
    ['GZIP', 'gzip'],
    ['*', 'br'],
    ['*;q=0.5, br;q=0', 'gzip'],
    ['br;q=0.2, gzip;q=0.9', 'gzip'],
    ['br;q=0, gzip;q=0', 'identity'],
    ['gzip;q=0.5, identity;q=0.9', 'identity'],
    ['identity;q=0', 'identity'],
    ['br;q=2, gzip;q=x, deflate', 'identity'],
  ])('for Accept-Encoding %p is %s', (accepted, expected) => {
    expect(encodingFor(accepted)).toBe(expected);
  });

  it('is looked for among the first twenty that a client names', () => {
    expect(encodingFor(`${'x,'.repeat(19)}br`)).toBe('br');
    expect(encodingFor(`${'x,'.repeat(20)}br`)).toBe('identity');
  });
});
