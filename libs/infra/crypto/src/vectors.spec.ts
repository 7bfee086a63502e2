import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import gcm from '../test-vectors/wycheproof-aes-256-gcm.json' with { type: 'json' };
import hkdf from '../test-vectors/wycheproof-hkdf-sha256.json' with { type: 'json' };
import { decrypt, encrypt } from './aes-gcm.js';
import { expand } from './hkdf.js';

const hex = (text: string) => Buffer.from(text, 'hex');

/** HKDF-Extract of RFC 5869; without a salt it is a string of zeros. */
const extract = (salt: Buffer, ikm: Buffer): KeyObject =>
  createSecretKey(
    createHmac('sha256', salt.length > 0 ? salt : Buffer.alloc(32))
      .update(ikm)
      .digest(),
  );

describe('published vectors', () => {
  it('AES-256-GCM encrypts and decrypts every valid vector of Wycheproof, and refuses every invalid one', () => {
    const results = gcm.tests.map((t) => {
      const [key, nonce, aad, sealed] = [createSecretKey(hex(t.key)), hex(t.iv), hex(t.aad), hex(t.ct + t.tag)];
      const opened = decrypt(key, nonce, aad, sealed);
      if (t.result === 'invalid') return opened === null;
      return opened?.toString('hex') === t.msg && encrypt(key, nonce, aad, hex(t.msg)).equals(sealed);
    });
    expect(results).toHaveLength(66);
    expect(results.filter((agrees) => !agrees)).toEqual([]);
  });

  it('HKDF-Expand gives the first 32 bytes of every vector of Wycheproof', () => {
    const wrong = hkdf.tests.filter((t) => {
      const derived = expand(extract(hex(t.salt), hex(t.ikm)), hex(t.info)).export();
      return derived.toString('hex').slice(0, t.okm.length) !== t.okm;
    });
    expect(hkdf.tests.length).toBeGreaterThan(80);
    expect(wrong).toEqual([]);
  });

  it.each([
    [
      'A.1',
      '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
      'f0f1f2f3f4f5f6f7f8f9',
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf',
    ],
    [
      'A.3',
      '19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04',
      '',
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d',
    ],
  ])('HKDF-Expand gives the output of RFC 5869, test case %s', (_, prk, info, okm) => {
    expect(
      expand(createSecretKey(hex(prk)), hex(info))
        .export()
        .toString('hex'),
    ).toBe(okm);
  });
});
