import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { RedisConnection, RedisConnections } from '#infra/redis';
import type { Breaker } from './breaker.js';
import { generationKey } from './key.js';

/** Longer than anything that is stored may have taken to load. */
const generationTtlMs = 60_000;
/** Forgettings that Redis has not heard of yet, tried again with every beat. */
const owedMax = 10_000;

/** KEYS[1] the entry, KEYS[2] its generation; ARGV[1] the generation it was loaded under, ARGV[2] value, ARGV[3] ttl in ms. */
const storeScript = `
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`;
const storeCommand = 'storeCacheEntry';

export type Reading =
  | { readonly kind: 'value'; readonly value: Buffer; readonly leftMs: number }
  | { readonly kind: 'none'; readonly generation: string }
  | { readonly kind: 'away' }
  | { readonly kind: 'error' };

/**
 * Entries in Redis, each with a time to live. After `remove` nothing that was read from the source before it can come
 * back: it would have been loaded under an older generation.
 */
export class RedisTier {
  readonly #owed = new LRUCache<string, true>({ max: owedMax });
  readonly #prepared = new WeakSet<RedisConnection>();
  #settling = false;

  constructor(
    private readonly redis: RedisConnections,
    private readonly breaker: Breaker,
    /** A removal that Redis owed is done. */
    private readonly onRemoved: (key: string) => void,
  ) {}

  async read(key: string): Promise<Reading> {
    const connection = this.#usable();
    if (connection === undefined || this.#owed.has(key)) return { kind: 'away' };
    try {
      const [[value, generation], leftMs] = await Promise.all([
        connection.mgetBuffer(key, generationKey(key)),
        connection.pttl(key),
      ]);
      this.breaker.succeeded();
      if (!value) return { kind: 'none', generation: generation?.toString('latin1') ?? '' };
      return { kind: 'value', value, leftMs };
    } catch (error) {
      this.breaker.failed(error);
      return { kind: 'error' };
    }
  }

  /** False where a newer generation stands in the way, or Redis cannot be reached. */
  async store(key: string, generation: string, value: Buffer, ttlMs: number): Promise<boolean> {
    const connection = this.#usable();
    if (connection === undefined) return false;
    try {
      const stored = await this.#script(connection)(key, generationKey(key), generation, value, ttlMs);
      this.breaker.succeeded();
      return stored === 1;
    } catch (error) {
      this.breaker.failed(error);
      return false;
    }
  }

  /** Tried whatever the breaker says; owed, and tried again, where it fails. The commands leave before this returns. */
  async remove(key: string): Promise<boolean> {
    try {
      const connection = this.redis.get('cache');
      const raised = connection.set(generationKey(key), randomUUID(), 'PX', generationTtlMs);
      await Promise.all([raised, connection.del(key)]);
      this.#owed.delete(key);
      return true;
    } catch {
      this.#owed.set(key, true);
      return false;
    }
  }

  /** Does what is owed, once Redis answers again. */
  async settle(): Promise<void> {
    if (this.#settling || this.#owed.size === 0 || this.away) return;
    this.#settling = true;
    for (const key of [...this.#owed.keys()].reverse()) {
      if (!(await this.remove(key))) break;
      this.onRemoved(key);
    }
    this.#settling = false;
  }

  get away(): boolean {
    return this.#usable() === undefined;
  }

  #usable(): RedisConnection | undefined {
    const connection = this.redis.get('cache');
    return connection.status === 'ready' && this.breaker.allows() ? connection : undefined;
  }

  #script(connection: RedisConnection): (...args: readonly (string | number | Buffer)[]) => Promise<unknown> {
    if (!this.#prepared.has(connection)) {
      connection.defineCommand(storeCommand, { numberOfKeys: 2, lua: storeScript });
      this.#prepared.add(connection);
    }
    return Reflect.get(connection, storeCommand).bind(connection);
  }
}
