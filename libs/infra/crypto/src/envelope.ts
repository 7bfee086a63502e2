import { type KeyObject, randomBytes } from 'node:crypto';
import { decrypt, encrypt, nonceBytes, tagBytes } from './aes-gcm.js';

/** ver(1) alg(1) key version(2, big-endian) nonce(12) ciphertext tag(16) */
const formatVersion = 1;
const aes256Gcm = 1;
const headerBytes = 4;
export const envelopeOverheadBytes = headerBytes + nonceBytes + tagBytes;

/** The caller binds `keyVersion` into `aad`; version and algorithm have one legal value each. */
export function sealEnvelope(key: KeyObject, keyVersion: number, aad: Buffer, plaintext: Buffer): Buffer {
  const start = Buffer.allocUnsafe(headerBytes + nonceBytes);
  start[0] = formatVersion;
  start[1] = aes256Gcm;
  start.writeUInt16BE(keyVersion, 2);
  const nonce = randomBytes(nonceBytes);
  nonce.copy(start, headerBytes);
  return Buffer.concat([start, encrypt(key, nonce, aad, plaintext)]);
}

/** Which version of the data key an envelope needs, or null where it is no envelope of ours. */
export function keyVersionOf(envelope: Buffer): number | null {
  if (envelope.length < envelopeOverheadBytes) return null;
  if (envelope[0] !== formatVersion || envelope[1] !== aes256Gcm) return null;
  return envelope.readUInt16BE(2);
}

/** Null where anything differs; call `keyVersionOf` first, which checks the header. */
export function openEnvelope(key: KeyObject, aad: Buffer, envelope: Buffer): Buffer | null {
  const nonce = envelope.subarray(headerBytes, headerBytes + nonceBytes);
  return decrypt(key, nonce, aad, envelope.subarray(headerBytes + nonceBytes));
}
