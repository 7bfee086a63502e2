import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Secret } from '#infra/config';
import { fail } from './crypto.errors.js';

/** PKCS #8 in front of a 32-byte Ed25519 seed (RFC 8410, section 7). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const seedBytes = 32;

/** A signing key; its KeyObjects are for whoever writes tokens. */
export class Ed25519Key {
  readonly publicKey: KeyObject;
  /** RFC 7638 thumbprint of the public key: the `kid` of what it signs. */
  readonly kid: string;

  private constructor(readonly privateKey: KeyObject) {
    if (privateKey.asymmetricKeyType !== 'ed25519') throw unusable();
    this.publicKey = createPublicKey(privateKey);
    const { crv, kty, x } = this.publicKey.export({ format: 'jwk' });
    this.kid = createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
  }

  /** From PEM (PKCS #8) or from 32 bytes in base64. */
  static fromSecret(secret: Secret): Ed25519Key {
    const text = secret.reveal();
    return new Ed25519Key(text.includes('-----BEGIN') ? fromPem(text) : fromSeed(Buffer.from(text, 'base64')));
  }

  /** From a 256-bit secret, such as `root.derive('access-token-signing-1')`. */
  static fromKey(key: KeyObject): Ed25519Key {
    return new Ed25519Key(fromSeed(key.export()));
  }

  sign(data: Buffer): Buffer {
    return sign(null, data, this.privateKey);
  }

  verify(data: Buffer, signature: Buffer): boolean {
    return verify(null, data, this.publicKey, signature);
  }
}

/** What the parser says may quote the key, so it is dropped. */
function fromPem(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw unusable();
  }
}

function fromSeed(seed: Buffer): KeyObject {
  if (seed.length !== seedBytes) throw unusable();
  const der = Buffer.concat([pkcs8Prefix, seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  for (const bytes of [seed, der]) bytes.fill(0);
  return key;
}

const unusable = () =>
  fail('crypto.key_unusable', { internal: 'a signing key must be Ed25519, in PEM (PKCS #8) or as 32 bytes in base64' });
