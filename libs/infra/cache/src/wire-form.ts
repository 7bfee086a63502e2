import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { TenantCrypto } from '#infra/crypto';
import { isAppError, type SeenWrite } from '#infra/kernel';
import type { Origin, Value } from './entry.js';
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
const newline = 0x0a;
/** A byte for raw or gzip, two for the length of the origin. */
const head = 3;
/** Eight tags of 200 characters, a clock and the rest of an origin. */
const lineMaxBytes = 2_048;
const zip = promisify(gzip);
const unzip = promisify(gunzip);

export type Opened =
  | ({ readonly kind: 'value' } & Value)
  /** Somebody changed it, moved it or wrote what is not ours. */
  | { readonly kind: 'refused' };

const refused: Opened = { kind: 'refused' };

/**
 * What lies in Redis: a line in clear that Redis' scripts read (clock of the load, tags), then a byte for raw or gzip, the
 * origin and the packed value; in an encrypted strategy all but the line in an envelope. The line is no more than a copy:
 * one that says something else than the origin is refused.
 */
export class WireForm {
  constructor(
    private readonly name: StrategyName,
    private readonly strategy: Pick<Strategy, 'compressed' | 'encrypted'>,
    private readonly crypto: TenantCrypto,
  ) {}

  async write(key: string, value: Value): Promise<Buffer> {
    const formed = await this.#formed(value);
    const body = this.strategy.encrypted
      ? await this.crypto.seal(tenantOf(key), this.#place(key), formed, 'cache')
      : formed;
    return Buffer.concat([Buffer.from(`${lineOf(value.origin)}\n`), body]);
  }

  /** Throws where nothing can be said of the value: the tenant's keys cannot be had. */
  async read(key: string, stored: Buffer): Promise<Opened> {
    const end = stored.subarray(0, lineMaxBytes).indexOf(newline);
    if (end < 0) return refused;
    const body = stored.subarray(end + 1);
    try {
      const formed = this.strategy.encrypted
        ? await this.crypto.open(tenantOf(key), this.#place(key), body, 'cache')
        : body;
      const value = await unformed(formed);
      if (value === undefined || lineOf(value.origin) !== stored.toString('latin1', 0, end)) return refused;
      return this.strategy.encrypted || isPacked(value.packed) ? { kind: 'value', ...value } : refused;
    } catch (error) {
      if (isAppError(error, 'crypto.envelope_invalid')) return refused;
      throw error;
    }
  }

  #place(key: string) {
    return { table: 'cache', rowId: key, group: this.name };
  }

  async #formed({ packed, origin }: Value): Promise<Buffer> {
    const written = Buffer.from(textOf(origin));
    const start = Buffer.of(raw, written.length >> 8, written.length & 0xff);
    const plain = () => Buffer.concat([start, written, packed]);
    if (!this.strategy.compressed || packed.length - 1 <= rawMaxBytes) return plain();
    const small = await zip(packed);
    if (small.length > packed.length * worthwhile) return plain();
    start[0] = gzipped;
    return Buffer.concat([start, written, small]);
  }
}

/** `<clock> <tag>,<tag>` */
const lineOf = ({ clockUs, tags }: Origin): string => `${clockUs} ${tags.join(',')}`;

type Text = readonly [number, number, number, readonly string[], readonly [string, string, string] | null];

const textOf = ({ clockUs, ttlMs, costMs, tags, seen }: Origin): string =>
  JSON.stringify([
    clockUs,
    ttlMs,
    costMs,
    tags,
    seen && [seen.database, seen.position.toString(16), seen.lineage],
  ] satisfies Text);

function originOf(text: string): Origin | undefined {
  try {
    const [clockUs, ttlMs, costMs, tags, seen] = JSON.parse(text) as Text;
    if (![clockUs, ttlMs, costMs].every(Number.isSafeInteger) || !Array.isArray(tags)) return undefined;
    return { clockUs, ttlMs, costMs, tags, seen: seen && seenOf(seen) };
  } catch {
    return undefined;
  }
}

const seenOf = ([database, position, lineage]: readonly [string, string, string]): SeenWrite => ({
  database,
  position: BigInt(`0x${position}`),
  lineage,
});

/** Undefined for what none of our processes wrote. */
async function unformed(formed: Buffer): Promise<Value | undefined> {
  if (formed.length < head) return undefined;
  const length = formed.readUInt16BE(1);
  const origin = originOf(formed.toString('latin1', head, head + length));
  const content = formed.subarray(head + length);
  if (origin === undefined) return undefined;
  if (formed[0] === raw) return { origin, packed: content };
  if (formed[0] !== gzipped) return undefined;
  const packed = await unzip(content, { maxOutputLength: valueMaxBytes + 1 }).catch(() => undefined);
  return packed && { origin, packed };
}
