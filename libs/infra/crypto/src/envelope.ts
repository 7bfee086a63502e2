import { createHmac, type KeyObject, randomBytes } from 'node:crypto';
import { decrypt, encrypt, nonceBytes, tagBytes } from './aes-gcm.js';

/** ver(1) alg(1) key version(2, big-endian) nonce(12) ciphertext tag(16) */
const formatVersion = 1;
const aes256Gcm = 1;
const headerBytes = 4;
export const envelopeOverheadBytes = headerBytes + nonceBytes + tagBytes;

/**
 * The caller binds `keyVersion` into `aad`; version and algorithm have one legal value each. A nonce that is not random
 * comes from `nonceOf`.
 */
export function sealEnvelope(
  key: KeyObject,
  keyVersion: number,
  aad: Buffer,
  plaintext: Buffer,
  nonce: Buffer = randomBytes(nonceBytes),
): Buffer {
  const start = Buffer.allocUnsafe(headerBytes + nonceBytes);
  start[0] = formatVersion;
  start[1] = aes256Gcm;
  start.writeUInt16BE(keyVersion, 2);
  nonce.copy(start, headerBytes);
  return Buffer.concat([start, encrypt(key, nonce, aad, plaintext)]);
}

/**
 * The nonce of an envelope that is the same whenever the same is sealed for the same place, as in SIV (RFC 5297): 96 bits of
 * HMAC-SHA256 over associated data and plaintext, each framed, under a key of its own. Two contents under one sealing key
 * get the same nonce as seldom as with random ones, and equal envelopes tell only that equal things were sealed.
 */
export function nonceOf(key: KeyObject, aad: Buffer, plaintext: Buffer): Buffer {
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(aad.length, 0);
  frame.writeUInt32BE(plaintext.length, 4);
  return createHmac('sha256', key).update(frame).update(aad).update(plaintext).digest().subarray(0, nonceBytes);
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
