import { createHmac } from 'node:crypto';
import type { Clock, TenantId } from '#infra/kernel';
import { fail } from './crypto.errors.js';
import { keyVersionOf, nonceOf, openEnvelope, sealEnvelope } from './envelope.js';
import { expand } from './hkdf.js';
import type { KeyPurpose, RotatablePurpose } from './key-purpose.js';
import type { KeyWrapper } from './root-key.js';
import type { TenantKeyStore } from './tenant-key-store.js';
import { type DataKey, TenantKeys } from './tenant-keys.js';

/** Larger things are cut into segments by whoever stores them. */
export const plaintextMaxBytes = 16 * 1024 * 1024;

/** Keys that seal; those of `index` and `idempotency` only ever sign. */
export type SealPurpose = Exclude<KeyPurpose, 'index' | 'idempotency'>;

/** Where an envelope lives. It opens nowhere else; no part may hold `|`. */
export interface Place {
  readonly table: string;
  readonly rowId: string;
  /** The column or the group of fields, `demographics` for example. */
  readonly group: string;
}

/** Seals and signs under keys of one tenant: what was made for one opens for no other. */
export class TenantCrypto {
  readonly #keys: TenantKeys;

  constructor(root: KeyWrapper, store: TenantKeyStore, clock: Clock) {
    this.#keys = new TenantKeys(root, store, clock);
  }

  /** `plaintext` grows by 32 bytes. */
  async seal(tenantId: TenantId, place: Place, plaintext: Buffer, purpose: SealPurpose = 'phi'): Promise<Buffer> {
    if (plaintext.length > plaintextMaxBytes)
      throw fail('crypto.too_large', { internal: `${place.table}: ${plaintext.length} bytes` });
    const dataKey = await this.#keys.forWriting(tenantId, purpose);
    return sealEnvelope(rowKey(dataKey, place), dataKey.version, binding(tenantId, place, dataKey.version), plaintext);
  }

  /** Throws `crypto.envelope_invalid` where tenant, place, purpose or a bit differs; `crypto.key_destroyed` after a shred. */
  async open(tenantId: TenantId, place: Place, envelope: Buffer, purpose: SealPurpose = 'phi'): Promise<Buffer> {
    const version = keyVersionOf(envelope);
    if (version === null) throw invalid(place, 'is malformed');
    const dataKey = await this.#keys.ofVersion(tenantId, purpose, version);
    if (dataKey === null) throw invalid(place, `names the unknown key ${purpose} ${version}`);
    const plaintext = openEnvelope(rowKey(dataKey, place), binding(tenantId, place, version), envelope);
    if (plaintext === null) throw invalid(place, 'was changed or moved');
    return plaintext;
  }

  /**
   * As `seal`, and the same envelope for the same content in the same place, until the key is rotated: whoever sees two of
   * them learns whether they hold the same. It opens with `open`.
   */
  async sealRepeatably(tenantId: TenantId, place: Place, plaintext: Buffer, purpose: SealPurpose): Promise<Buffer> {
    if (plaintext.length > plaintextMaxBytes)
      throw fail('crypto.too_large', { internal: `${place.table}: ${plaintext.length} bytes` });
    const dataKey = await this.#keys.forWriting(tenantId, purpose);
    const aad = binding(tenantId, place, dataKey.version);
    const nonce = nonceOf(nonceKey(dataKey, place), aad, plaintext);
    return sealEnvelope(rowKey(dataKey, place), dataKey.version, aad, plaintext, nonce);
  }

  async sealJson(tenantId: TenantId, place: Place, value: unknown, purpose: SealPurpose = 'phi'): Promise<Buffer> {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`${place.table}: the value has no JSON form`);
    return this.seal(tenantId, place, Buffer.from(text), purpose);
  }

  /** The caller checks the shape with its schema. */
  async openJson(tenantId: TenantId, place: Place, envelope: Buffer, purpose: SealPurpose = 'phi'): Promise<unknown> {
    const plaintext = await this.open(tenantId, place, envelope, purpose);
    try {
      return JSON.parse(plaintext.toString());
    } catch {
      throw invalid(place, 'holds no JSON');
    }
  }

  /** Blind index of a text that the caller has normalised: 32 bytes, to be stored and compared with `=`. */
  async token(tenantId: TenantId, field: string, text: string): Promise<Buffer> {
    return blindIndex(await this.#keys.forWriting(tenantId, 'index'), field, text);
  }

  /**
   * The tokens under which rows with that text may be stored, one for each key version that is not destroyed. Where a
   * unique key guards the token, a row stores all of them, or a rotation would let a second row in.
   */
  async tokensForQuery(tenantId: TenantId, field: string, text: string): Promise<readonly Buffer[]> {
    const keys = await this.#keys.live(tenantId, 'index');
    return keys.map((dataKey) => blindIndex(dataKey, field, text));
  }

  /** HMAC-SHA256 over the parts, each framed by its length: equal only for equal parts in equal order. */
  async fingerprint(tenantId: TenantId, parts: readonly (string | Buffer)[]): Promise<Buffer> {
    const { key } = await this.#keys.forWriting(tenantId, 'idempotency');
    const hmac = createHmac('sha256', key);
    for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:`).update(part);
    return hmac.digest();
  }

  /**
   * Makes the next version of a key and answers its number. New writes use it at once in this process and within
   * 5 minutes in others; blind indexes use it after `indexSettleMs`. What was sealed before still opens.
   */
  rotate(tenantId: TenantId, purpose: RotatablePurpose): Promise<number> {
    return this.#keys.rotate(tenantId, purpose);
  }

  /** Drops the tenant's keys from this process's memory, where a destruction must not wait 5 minutes. */
  forget(tenantId: TenantId): void {
    this.#keys.forget(tenantId);
  }
}

/** One key per row, so that random nonces stay far below 2^32 per key (NIST SP 800-38D, 8.3). */
const rowKey = ({ key }: DataKey, { table, rowId }: Place) => expand(key, `v1|${plain(table)}|${plain(rowId)}`);

/** Another key than that which seals: `nonce|` is no table. */
const nonceKey = ({ key }: DataKey, { table, rowId }: Place) => expand(key, `v1|nonce|${plain(table)}|${plain(rowId)}`);

const binding = (tenantId: TenantId, { table, rowId, group }: Place, keyVersion: number): Buffer =>
  Buffer.from(`v1|${tenantId}|${table}|${rowId}|${plain(group)}|${keyVersion}`);

const blindIndex = ({ key }: DataKey, field: string, text: string): Buffer =>
  createHmac('sha256', key)
    .update(`v1|${plain(field)}|${text}`)
    .digest();

/** Parts are joined with `|`: one that held it could be read as two. */
function plain(part: string): string {
  if (part.includes('|')) throw new TypeError('a table, row id, group or field of an envelope must not hold |');
  return part;
}

const invalid = (place: Place, how: string) =>
  fail('crypto.envelope_invalid', { internal: `an envelope of ${place.table}.${place.group} ${how}` });
