import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { TenantCrypto } from '#infra/crypto';
import { isAppError } from '#infra/kernel';
import { tenantOf } from './key.js';
import { isPacked } from './packing.js';
import type { Strategy, StrategyName } from './strategies.js';

/** Larger values are answered and not kept. */
export const valueMaxBytes = 4 * 1_024 * 1_024;
/** Up to here gzip is not tried. */
export const rawMaxBytes = 1_024;
/** Gzip is kept only where it is at most this share of the raw bytes. */
const worthwhile = 0.9;

const raw = 0x00;
const gzipped = 0x01;
const head = 1;
const zip = promisify(gzip);
const unzip = promisify(gunzip);

export type Opened =
  | { readonly kind: 'packed'; readonly packed: Buffer }
  /** Somebody changed it, moved it or wrote what is not ours. */
  | { readonly kind: 'refused' };

/** What lies in Redis: a byte for raw or gzip and the packed value; in an encrypted strategy all of that in an envelope. */
export class WireForm {
  constructor(
    private readonly name: StrategyName,
    private readonly strategy: Pick<Strategy, 'compressed' | 'encrypted'>,
    private readonly crypto: TenantCrypto,
  ) {}

  async write(key: string, packed: Buffer): Promise<Buffer> {
    const formed = await this.#formed(packed);
    return this.strategy.encrypted ? this.crypto.seal(tenantOf(key), this.#place(key), formed, 'cache') : formed;
  }

  /** Throws where nothing can be said of the value: the tenant's keys cannot be had. */
  async read(key: string, stored: Buffer): Promise<Opened> {
    try {
      const formed = this.strategy.encrypted
        ? await this.crypto.open(tenantOf(key), this.#place(key), stored, 'cache')
        : stored;
      const packed = await unformed(formed);
      const readable = packed !== undefined && (this.strategy.encrypted || isPacked(packed));
      return readable ? { kind: 'packed', packed } : { kind: 'refused' };
    } catch (error) {
      if (isAppError(error, 'crypto.envelope_invalid')) return { kind: 'refused' };
      throw error;
    }
  }

  #place(key: string) {
    return { table: 'cache', rowId: key, group: this.name };
  }

  async #formed(packed: Buffer): Promise<Buffer> {
    const plain = () => Buffer.concat([Buffer.of(raw), packed]);
    if (!this.strategy.compressed || packed.length - head <= rawMaxBytes) return plain();
    const small = await zip(packed);
    return small.length <= packed.length * worthwhile ? Buffer.concat([Buffer.of(gzipped), small]) : plain();
  }
}

/** Undefined for what none of our processes wrote. */
async function unformed(formed: Buffer): Promise<Buffer | undefined> {
  const content = formed.subarray(head);
  if (formed[0] === raw) return content;
  if (formed[0] !== gzipped) return undefined;
  return unzip(content, { maxOutputLength: valueMaxBytes + head }).catch(() => undefined);
}
