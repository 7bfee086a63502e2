import { createSecretKey, randomBytes } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import decodeQR from 'qr/decode.js';
import type { TenantId } from '#infra/kernel';
import { fromBase45, toBase45 } from './base45.js';
import type { CardId } from './card.js';
import { type CardClaim, CardCodes } from './card-code.js';
import { qrImage, qrModules } from './qr-image.js';

const codes = new CardCodes(createSecretKey(randomBytes(32)));
const claims = fc.tuple(fc.uuid(), fc.uuid(), fc.integer({ min: 1, max: 65_535 })).map(
  ([tenantId, cardId, version]): CardClaim => ({
    tenantId: tenantId as TenantId,
    cardId: cardId as CardId,
    version,
  }),
);

describe('base45', () => {
  it('writes the examples of RFC 9285', () => {
    for (const [plain, written] of [
      ['AB', 'BB8'],
      ['Hello!!', '%69 VD92EX0'],
      ['base-45', 'UJCLQE7W581'],
      ['ietf!', 'QED8WEX0'],
    ] as const) {
      expect(toBase45(Buffer.from(plain))).toBe(written);
      expect(fromBase45(written)?.toString()).toBe(plain);
    }
    for (const wrong of ['A', 'AAAA', 'aa', ':::', '::', 'GGX', 'é00']) expect(fromBase45(wrong)).toBeNull();
  });

  it('reads back what it wrote, and only one text is read as the same bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => expect(fromBase45(toBase45(bytes))).toEqual(Buffer.from(bytes))));
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0189AZ $%*+-./:') }), (text) => {
        const bytes = fromBase45(text);
        if (bytes !== null) expect(toBase45(bytes)).toBe(text);
      }),
    );
  });
});

describe('a card’s code', () => {
  it('says what it was made of', () => {
    fc.assert(fc.property(claims, (claim) => expect(codes.read(codes.write(claim))).toEqual(claim)));
  });

  it('is nobody’s once any bit of it is changed', () => {
    fc.assert(
      fc.property(claims, fc.nat(50), fc.nat(7), (claim, byte, bit) => {
        const bytes = fromBase45(codes.write(claim).slice(4))!;
        bytes[byte] = bytes[byte]! ^ (1 << bit);
        expect(codes.read(`MC0:${toBase45(bytes)}`)).toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  it('is nobody’s once any character is changed, lost, added or put elsewhere', () => {
    const character = fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:az\u0000é');
    fc.assert(
      fc.property(claims, fc.nat(80), character, (claim, place, other) => {
        const text = codes.write(claim);
        const changed = text.slice(0, place) + other + text.slice(place + 1);
        fc.pre(changed !== text);
        const lost = text.slice(0, place) + text.slice(place + 1);
        for (const wrong of [changed, lost, text + other, other + text, text.toLowerCase()])
          expect(codes.read(wrong)).toBeNull();
      }),
      { numRuns: 300 },
    );
    fc.assert(fc.property(fc.string({ maxLength: 700 }), (text) => expect(codes.read(text)).toBeNull()));
    expect(codes.read(`MC0:${'0'.repeat(10_000)}`)).toBeNull();
  });

  it('is nobody’s under another key', () => {
    const others = new CardCodes(createSecretKey(randomBytes(32)));
    fc.assert(fc.property(claims, (claim) => expect(codes.read(others.write(claim))).toBeNull()));
  });
});

describe('a card’s QR code', () => {
  const text = codes.write(fc.sample(claims, 1)[0]!);
  const border = 4;

  it('is 33 modules wide at most, as the short codes that every phone reads', () => {
    fc.assert(
      fc.property(claims, (claim) => expect(qrModules(codes.write(claim))).toHaveLength(33 + 2 * border)),
      { numRuns: 20 },
    );
  });

  it('reads as the text, from its modules', () => {
    const modules = qrModules(text);
    const scale = 4;
    const side = modules.length * scale;
    const data = new Uint8Array(side * side * 4);
    for (let n = 0; n < side * side; n += 1) {
      const dark = modules[Math.floor(n / side / scale)]![Math.floor((n % side) / scale)];
      data.set(dark ? [0, 0, 0, 255] : [255, 255, 255, 255], n * 4);
    }
    expect(decodeQR({ width: side, height: side, data })).toBe(text);
  });

  it('stands in the PNG module by module', () => {
    const modules = qrModules(text);
    const { type, content } = qrImage(text, 'png');
    const side = content.readUInt32BE(16);
    expect([type, side, content[24], content[25]]).toEqual(['image/png', modules.length * 10, 1, 0]);
    const idat = content.indexOf('IDAT', 0, 'latin1');
    const bits = inflateSync(content.subarray(idat + 4, idat + 4 + content.readUInt32BE(idat - 4)));
    const stride = 1 + Math.ceil(side / 8);
    const pixelIsDark = (x: number, y: number) => ((bits[y * stride + 1 + (x >> 3)]! >> (7 - (x & 7))) & 1) === 0;
    const wrong: string[] = [];
    for (let y = 0; y < side; y += 1)
      for (let x = 0; x < side; x += 1)
        if (pixelIsDark(x, y) !== modules[Math.floor(y / 10)]![Math.floor(x / 10)]) wrong.push(`${x},${y}`);
    expect(wrong).toEqual([]);
  });

  it('stands in the SVG as shapes alone: nothing that runs, loads or quotes', () => {
    const { type, content } = qrImage(text, 'svg');
    const svg = content.toString();
    expect(type).toBe('image/svg+xml');
    expect(svg).toMatch(/^<svg /);
    expect(svg).not.toMatch(/script|href|foreignObject|MC0/i);
  });
});
