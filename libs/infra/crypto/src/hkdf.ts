import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/** HKDF-Expand of RFC 5869 with SHA-256 for 32 bytes of output, which is one HMAC: T(1) = HMAC(PRK, info | 0x01). */
export function expand(key: KeyObject, info: string | Buffer): KeyObject {
  const bytes = createHmac('sha256', key).update(info).update('\x01').digest();
  const derived = createSecretKey(bytes);
  bytes.fill(0);
  return derived;
}
