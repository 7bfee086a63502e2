import { LRUCache } from 'lru-cache';
import type { Clock } from '#infra/kernel';
import type { StrategyName } from './strategies.js';

export interface MemoryBounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export interface Occupancy {
  readonly entries: number;
  readonly bytes: number;
}

interface Held {
  readonly strategy: StrategyName;
  readonly packed: Buffer;
  /** Null for what nothing can change. */
  readonly epoch: number | null;
}

/** What the map itself costs for one entry, roughly; two bytes for each character of a key come on top. */
const entryOverheadBytes = 200;
/** One entry takes at most this share of the memory. */
const entryMaxShare = 1 / 16;

const empty: Occupancy = { entries: 0, bytes: 0 };

/** The tier in this process: the least recently used entries leave when either bound is reached. */
export class Memory {
  readonly #held: LRUCache<string, Held>;
  readonly #occupancy = new Map<StrategyName, Occupancy>();

  constructor({ maxEntries, maxBytes }: MemoryBounds, clock: Clock) {
    this.#held = new LRUCache<string, Held>({
      max: maxEntries,
      maxSize: maxBytes,
      maxEntrySize: Math.floor(maxBytes * entryMaxShare),
      sizeCalculation: costOf,
      ttlResolution: 0,
      perf: clock,
      // A removal and a replacement alike: what left is subtracted, and `put` adds what came.
      dispose: (held, key) => this.#account(held, key, -1),
    });
  }

  /** The packed value, where it was put in this epoch and its time is not over. */
  get(key: string, epoch: number): Buffer | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    if (held.epoch === null || held.epoch === epoch) return held.packed;
    this.#held.delete(key);
    return undefined;
  }

  put(key: string, entry: Held, ttlMs: number): void {
    if (ttlMs <= 0) return;
    const held = { ...entry, packed: ownCopy(entry.packed) };
    this.#held.set(key, held, { ttl: ttlMs });
    if (this.#held.peek(key) === held) this.#account(held, key, 1);
  }

  delete(key: string): void {
    this.#held.delete(key);
  }

  occupancy(strategy: StrategyName): Occupancy {
    return this.#occupancy.get(strategy) ?? empty;
  }

  /** Entries whose time is over count until they are met or pushed out. */
  get total(): Occupancy {
    return { entries: this.#held.size, bytes: this.#held.calculatedSize };
  }

  #account(held: Held, key: string, sign: 1 | -1): void {
    const { entries, bytes } = this.occupancy(held.strategy);
    this.#occupancy.set(held.strategy, { entries: entries + sign, bytes: bytes + sign * costOf(held, key) });
  }
}

/** A slice of a socket's chunk or of Node's pool would hold on to all of it. */
function ownCopy(packed: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(packed.length);
  packed.copy(copy);
  return copy;
}

const costOf = ({ packed }: Held, key: string): number => packed.length + key.length * 2 + entryOverheadBytes;
