import { LRUCache } from 'lru-cache';
import type { Clock, Instant } from '#infra/kernel';
import type { Origin } from './entry.js';
import { Forgettings } from './forgettings.js';
import { tenantOf } from './key.js';
import { isSharable, unpack } from './packing.js';
import type { StrategyName } from './strategies.js';

export interface MemoryBounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export interface Occupancy {
  readonly entries: number;
  readonly bytes: number;
}

/** What is put into memory. */
export interface Kept {
  readonly strategy: StrategyName;
  readonly packed: Buffer;
  readonly origin: Origin;
  /** Null for what nothing can change. */
  readonly epoch: number | null;
  /** Taken before its reading began. */
  readonly mark: number;
  /** What it is forgotten with, its own key aside. */
  readonly scopes: readonly string[];
  /** When it is fresh no more, wherever it lies. */
  readonly freshUntil: Instant;
}

interface Held extends Kept {
  mark: number;
  /** The last instant at which it is given. */
  readonly until: Instant;
  /** What the bytes mean, from the first time that somebody asked. */
  meaning: unknown;
}

/** What the map itself costs for one entry, roughly; two bytes for each character of a key come on top. */
const entryOverheadBytes = 400;
/** One entry takes at most this share of the memory. */
const entryMaxShare = 1 / 16;

const empty: Occupancy = { entries: 0, bytes: 0 };

/** The tier in this process: the least recently used entries leave when either bound is reached. */
export class Memory {
  readonly #held: LRUCache<string, Held>;
  readonly #occupancy = new Map<StrategyName, { entries: number; bytes: number }>();
  readonly #forgettings = new Forgettings();

  constructor(
    { maxEntries, maxBytes }: MemoryBounds,
    private readonly clock: Clock,
  ) {
    this.#held = new LRUCache<string, Held>({
      max: maxEntries,
      maxSize: maxBytes,
      maxEntrySize: Math.floor(maxBytes * entryMaxShare),
      sizeCalculation: costOf,
      // A removal and a replacement alike: what left is subtracted, and `put` adds what came.
      dispose: (held, key) => this.#account(held, key, -1),
    });
  }

  /** Where it was put in this epoch, its time is not over and nothing of it was forgotten. */
  get(key: string, epoch: number): Kept | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    const current = held.until >= this.clock.now() && (held.epoch === null || held.epoch === epoch);
    if (current && this.#forgettings.intact(held.scopes, held.mark)) {
      held.mark = this.#forgettings.mark;
      return held;
    }
    this.#held.delete(key);
    return undefined;
  }

  /** What was kept, frozen; small values are read out of their bytes once. */
  valueOf(kept: Kept): unknown {
    const held = kept as Held;
    if (!isSharable(held.packed)) return unpack(held.packed);
    held.meaning ??= unpack(held.packed);
    return held.meaning;
  }

  /** To be taken before a reading begins. */
  get mark(): number {
    return this.#forgettings.mark;
  }

  /** Whether nothing of these was forgotten since. */
  intact(scopes: readonly string[], mark: number): boolean {
    return this.#forgettings.intact(scopes, mark);
  }

  put(key: string, entry: Kept, ttlMs: number): void {
    if (ttlMs <= 0 || !this.#forgettings.intact([key, ...entry.scopes], entry.mark)) return;
    const until = this.clock.now() + ttlMs;
    const held: Held = { ...entry, packed: ownCopy(entry.packed), meaning: undefined, until };
    this.#held.set(key, held);
    if (this.#held.peek(key) === held) this.#account(held, key, 1);
  }

  /** One entry, and nothing that is said about its key. */
  drop(key: string): void {
    this.#held.delete(key);
  }

  /** A key, or all that lies in a scope. */
  forget(scope: string): void {
    this.#forgettings.forget(scope, anyOf(scope));
    this.#held.delete(scope);
  }

  occupancy(strategy: StrategyName): Occupancy {
    return this.#occupancy.get(strategy) ?? empty;
  }

  /** Entries whose time is over count until they are met or pushed out. */
  get total(): Occupancy {
    return { entries: this.#held.size, bytes: this.#held.calculatedSize };
  }

  #account(held: Held, key: string, sign: 1 | -1): void {
    const of = this.#occupancy.get(held.strategy) ?? { entries: 0, bytes: 0 };
    of.entries += sign;
    of.bytes += sign * costOf(held, key);
    this.#occupancy.set(held.strategy, of);
  }
}

/** Forgotten whenever anything of the tenant is: for loads whose tags nobody knows yet. */
export const anyOf = (key: string): string => `any:${tenantOf(key)}`;

/** A slice of a socket's chunk or of Node's pool would hold on to all of it. */
function ownCopy(packed: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(packed.length);
  packed.copy(copy);
  return copy;
}

/** As an object, JSON takes about twice what its text does. */
const meaningShare = 2;

const costOf = ({ packed, scopes }: Held, key: string): number =>
  packed.length * (isSharable(packed) ? 1 + meaningShare : 1) +
  key.length * 2 +
  entryOverheadBytes +
  scopes.length * 100;
