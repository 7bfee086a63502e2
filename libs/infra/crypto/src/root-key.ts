import { createSecretKey, type KeyObject } from 'node:crypto';
import type { Secret } from '#infra/config';
import type { TenantId } from '#infra/kernel';
import { fail } from './crypto.errors.js';
import { keyVersionOf, openEnvelope, sealEnvelope } from './envelope.js';
import { expand } from './hkdf.js';
import type { KeyPurpose } from './key-purpose.js';

const rootKeyBytes = 32;
/** 32 random bytes hold 30 different values on average; fewer than this is a typed or repeated key. */
const distinctBytesMin = 16;

/** What is wrong with the text of a root key, in words that do not repeat it; null where it is usable. */
export function rootKeyMistake(secret: Secret): string | null {
  const text = secret.reveal();
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== rootKeyBytes || bytes.toString('base64') !== text) return 'must be 32 bytes in base64';
  if (new Set(bytes).size < distinctBytesMin) return 'is not random: make one with `openssl rand -base64 32`';
  return null;
}

/** The part of RootKey that a key service outside the process can take over. */
export type KeyWrapper = Pick<RootKey, 'wrap' | 'unwrap'>;

/**
 * Wraps the data keys of tenants and derives the platform's own keys; it never encrypts anything else. Every use goes
 * through a key derived for it, so no use can limit or reveal another.
 */
export class RootKey {
  readonly #key: KeyObject;

  constructor(secret: Secret) {
    const mistake = rootKeyMistake(secret);
    if (mistake !== null) throw fail('crypto.key_unusable', { internal: `the root key ${mistake}` });
    this.#key = createSecretKey(Buffer.from(secret.reveal(), 'base64'));
  }

  /** A 256-bit key for something that belongs to no tenant; the same label always gives the same key. */
  derive(label: string): KeyObject {
    return expand(this.#key, `v1|platform|${label}`);
  }

  async wrap(tenantId: TenantId, purpose: KeyPurpose, version: number, dataKey: Buffer): Promise<Buffer> {
    const place = wrapPlace(tenantId, purpose, version);
    return sealEnvelope(expand(this.#key, place), version, place, dataKey);
  }

  /** The caller wipes the answer once it has made a KeyObject of it. */
  async unwrap(tenantId: TenantId, purpose: KeyPurpose, version: number, wrapped: Buffer): Promise<Buffer> {
    const place = wrapPlace(tenantId, purpose, version);
    const dataKey = keyVersionOf(wrapped) === version ? openEnvelope(expand(this.#key, place), place, wrapped) : null;
    if (dataKey === null)
      throw fail('crypto.key_unusable', {
        internal: `data key ${purpose} ${version} was not wrapped for this tenant by this root key`,
      });
    return dataKey;
  }
}

const wrapPlace = (tenantId: TenantId, purpose: KeyPurpose, version: number): Buffer =>
  Buffer.from(`v1|wrap|${tenantId}|${purpose}|${version}`);
