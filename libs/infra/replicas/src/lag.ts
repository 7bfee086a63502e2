import type { Instant } from '#infra/kernel';

/** A position in the write-ahead log, as a number: PostgreSQL's `X/Y` hexadecimal halves joined. */
export type WalPosition = bigint;

export function parseWalPosition(text: string): WalPosition {
  const [high, low] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

export const parseSortable = (text: string): WalPosition => BigInt(`0x${text}`);

/** Sixteen hexadecimal digits: ordered as text as the positions are. */
export const sortableWalPosition = (position: WalPosition): string => position.toString(16).padStart(16, '0');

export const formatWalPosition = (position: WalPosition): string =>
  `${(position >> 32n).toString(16)}/${(position & 0xffffffffn).toString(16)}`;

interface Sample {
  readonly at: Instant;
  readonly position: WalPosition;
}

const samplesMax = 120;

/**
 * How far a replica is behind in time: the age of the oldest thing it has not replayed, from samples of the primary's
 * position. Right when the primary is idle, where the age of the last replayed transaction is not.
 */
export class LagMeter {
  #samples: Sample[] = [];

  sample(at: Instant, primary: WalPosition): void {
    this.#samples.push({ at, position: primary });
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }

  /** Milliseconds; 0 when nothing is missing; Infinity when behind the oldest sample: nobody knows since when. */
  lagMs(now: Instant, replayed: WalPosition): number {
    const missing = this.#samples.find((s) => s.position > replayed);
    if (missing === undefined) return 0;
    return missing === this.#samples[0] ? Infinity : now - missing.at;
  }

  lagBytes(replayed: WalPosition): bigint {
    const newest = this.#samples.at(-1)?.position ?? 0n;
    return newest > replayed ? newest - replayed : 0n;
  }
}
