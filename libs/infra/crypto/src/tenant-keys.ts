import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock, Instant, TenantId } from '#infra/kernel';
import { fail } from './crypto.errors.js';
import { type KeyPurpose, keyPurposes, type RotatablePurpose } from './key-purpose.js';
import type { KeyWrapper } from './root-key.js';
import type { TenantKeyStore, WrappedKey } from './tenant-key-store.js';

/** How long a process may go on with keys that another one has replaced or destroyed. */
export const keyCacheTtlMs = 5 * 60_000;
/** Key rings (tenant × purpose) in memory. */
export const keyRingsMax = 10_000;
/** After this time every process has seen a new index key, so that no search misses what is written with it. */
export const indexSettleMs = 2 * keyCacheTtlMs;
const dataKeyBytes = 32;
const keyVersionMax = 0xffff;
/** The first reload may join one that began before the version existed; the second cannot. */
const reloadsMax = 2;

export interface DataKey {
  readonly version: number;
  readonly createdAt: Instant;
  readonly key: KeyObject;
}

/** All versions of one tenant's key for one purpose. */
class KeyRing {
  /** Newest first. */
  readonly live: readonly DataKey[];
  readonly #destroyed: ReadonlySet<number>;
  /** 0 where no version exists yet. */
  readonly newestVersion: number;

  constructor(
    live: readonly DataKey[],
    destroyed: readonly number[],
    readonly loadedAt: Instant,
  ) {
    this.live = live.toSorted((a, b) => b.version - a.version);
    this.#destroyed = new Set(destroyed);
    this.newestVersion = Math.max(0, ...destroyed, ...live.map((k) => k.version));
  }

  /** Null where no such version exists; throws for one that was destroyed. */
  find(version: number): DataKey | null {
    if (this.#destroyed.has(version)) throw destroyed(version);
    return this.live.find((k) => k.version === version) ?? null;
  }

  /** The newest version that already existed at `since`, or else the oldest one. */
  current(since: Instant): DataKey {
    const key = this.live.find((k) => k.createdAt <= since) ?? this.live.at(-1);
    if (key === undefined) throw destroyed(this.newestVersion);
    return key;
  }
}

const destroyed = (version: number) => fail('crypto.key_destroyed', { internal: `data key ${version} was destroyed` });

/** Data keys by tenant and purpose: made on first use, kept unwrapped for at most `keyCacheTtlMs`, one load at a time. */
export class TenantKeys {
  readonly #rings = new LRUCache<string, KeyRing>({ max: keyRingsMax });
  readonly #flights = new Map<string, Promise<KeyRing>>();
  #forgotten = 0;

  constructor(
    private readonly root: KeyWrapper,
    private readonly store: TenantKeyStore,
    private readonly clock: Clock,
  ) {}

  /** The key for new writes. */
  async forWriting(tenantId: TenantId, purpose: KeyPurpose): Promise<DataKey> {
    const ring = this.#cached(tenantId, purpose) ?? (await this.#loadOrCreate(tenantId, purpose));
    return ring.current(purpose === 'index' ? this.clock.now() - indexSettleMs : Number.POSITIVE_INFINITY);
  }

  /** The key of that version, also when another process made it a moment ago; null where there is none. */
  async ofVersion(tenantId: TenantId, purpose: KeyPurpose, version: number): Promise<DataKey | null> {
    let ring = this.#cached(tenantId, purpose) ?? (await this.#load(tenantId, purpose));
    for (let reloads = 0; version > ring.newestVersion && reloads < reloadsMax; reloads += 1)
      ring = await this.#load(tenantId, purpose);
    return ring.find(version);
  }

  /** Every version that is not destroyed, newest first; none is made. */
  async live(tenantId: TenantId, purpose: KeyPurpose): Promise<readonly DataKey[]> {
    return (this.#cached(tenantId, purpose) ?? (await this.#load(tenantId, purpose))).live;
  }

  /** Makes the next version and answers the newest; of two that race both answer the same one. */
  async rotate(tenantId: TenantId, purpose: RotatablePurpose): Promise<number> {
    const before = await this.#fetch(tenantId, purpose);
    if (before.newestVersion > 0 && before.live.length === 0) throw destroyed(before.newestVersion);
    await this.#add(tenantId, purpose, before.newestVersion + 1);
    return (await this.#fetch(tenantId, purpose)).newestVersion;
  }

  /** Drops the tenant's keys from memory at once, as after a destruction; loads under way are not kept either. */
  forget(tenantId: TenantId): void {
    this.#forgotten += 1;
    for (const purpose of keyPurposes) this.#rings.delete(ringName(tenantId, purpose));
    this.#flights.clear();
  }

  #cached(tenantId: TenantId, purpose: KeyPurpose): KeyRing | undefined {
    const ring = this.#rings.get(ringName(tenantId, purpose));
    return ring !== undefined && this.clock.now() - ring.loadedAt < keyCacheTtlMs ? ring : undefined;
  }

  #load(tenantId: TenantId, purpose: KeyPurpose): Promise<KeyRing> {
    return this.#once(`load|${ringName(tenantId, purpose)}`, () => this.#fetch(tenantId, purpose));
  }

  #loadOrCreate(tenantId: TenantId, purpose: KeyPurpose): Promise<KeyRing> {
    return this.#once(`create|${ringName(tenantId, purpose)}`, async () => {
      const found = await this.#fetch(tenantId, purpose);
      if (found.newestVersion > 0) return found;
      await this.#add(tenantId, purpose, 1);
      return this.#fetch(tenantId, purpose);
    });
  }

  #once(name: string, work: () => Promise<KeyRing>): Promise<KeyRing> {
    const running = this.#flights.get(name);
    if (running !== undefined) return running;
    const flight = work().finally(() => {
      if (this.#flights.get(name) === flight) this.#flights.delete(name);
    });
    this.#flights.set(name, flight);
    return flight;
  }

  async #fetch(tenantId: TenantId, purpose: KeyPurpose): Promise<KeyRing> {
    const startedAt = this.clock.now();
    const forgotten = this.#forgotten;
    const stored = await this.store.load(tenantId, purpose);
    const usable = stored.filter((k) => k.destroyedAt === null);
    const live = await Promise.all(usable.map((k) => this.#unwrap(tenantId, purpose, k)));
    const gone = stored.filter((k) => k.destroyedAt !== null).map((k) => k.version);
    const ring = new KeyRing(live, gone, startedAt);
    if (ring.newestVersion > 0 && forgotten === this.#forgotten) this.#rings.set(ringName(tenantId, purpose), ring);
    return ring;
  }

  async #unwrap(tenantId: TenantId, purpose: KeyPurpose, stored: WrappedKey): Promise<DataKey> {
    const bytes = await this.root.unwrap(tenantId, purpose, stored.version, stored.wrapped);
    const key = createSecretKey(bytes);
    bytes.fill(0);
    return { version: stored.version, createdAt: stored.createdAt, key };
  }

  async #add(tenantId: TenantId, purpose: KeyPurpose, version: number): Promise<void> {
    if (version > keyVersionMax) throw fail('crypto.key_unusable', { internal: `no version after ${keyVersionMax}` });
    const bytes = randomBytes(dataKeyBytes);
    const wrapped = await this.root.wrap(tenantId, purpose, version, bytes).finally(() => bytes.fill(0));
    await this.store.add(tenantId, purpose, { version, wrapped, createdAt: this.clock.now(), destroyedAt: null });
  }
}

const ringName = (tenantId: TenantId, purpose: KeyPurpose): string => `${tenantId}|${purpose}`;
