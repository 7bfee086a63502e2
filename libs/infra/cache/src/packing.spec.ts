import fc from 'fast-check';
import { isNothing, isPacked, pack, unpack } from './packing.js';

describe('a packed value', () => {
  it('[C-020] is JSON, or the bytes of a Buffer as they are, and reading it back runs no code', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(unpack(pack(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const read = unpack<Buffer>(pack(Buffer.from(bytes)));
        expect(Buffer.isBuffer(read) && read.equals(bytes)).toBe(true);
      }),
    );
    const poisoned = unpack<object>(Buffer.from('j{"__proto__":{"admin":true}}'));
    expect(Object.getPrototypeOf(poisoned)).toBe(Object.prototype);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it('is never shared: what one reader changes no other one sees', () => {
    const packed = pack(Buffer.from('abc'));
    unpack<Buffer>(packed).fill(0);
    expect(unpack<Buffer>(packed).toString()).toBe('abc');
  });

  it('says that there is none, too, which is not the JSON of null', () => {
    expect([unpack(pack(undefined)), unpack(pack(null))]).toEqual([undefined, null]);
    expect([isPacked(pack(undefined)), isNothing(pack(undefined)), isNothing(pack(null))]).toEqual([true, true, false]);
  });

  it('is refused where the value has no form, and not taken for one where the bytes are not ours', () => {
    for (const value of [() => 1, Symbol('x')]) expect(() => pack(value)).toThrow(TypeError);
    const foreign = ['', 'j', 'j{', 'x1', '{"a":1}', '\u0080\u0004K\u0001.'];
    expect(foreign.map((text) => isPacked(Buffer.from(text, 'latin1')))).toEqual(foreign.map(() => false));
    for (const text of ['x1', '\u0080\u0004K\u0001.'])
      expect(() => unpack(Buffer.from(text, 'latin1'))).toThrow(TypeError);
  });
});
