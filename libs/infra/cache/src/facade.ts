import { type Cache as CacheManager, createCache } from 'cache-manager';
import { Keyv, type KeyvStoreAdapter } from 'keyv';
import type { Entry, Found } from './entry.js';

/** One tier as the façade sees it. `get` and `set` never reject. */
export interface TierStore {
  get(key: string): Promise<Found | undefined>;
  set(key: string, entry: Entry, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
}

/** The tiers of one strategy behind cache-manager, nearest first. */
export type Facade = CacheManager;

export const facadeOf = (tiers: readonly TierStore[]): Facade =>
  createCache({ stores: tiers.map((tier) => new Keyv(adapterOf(tier), plain)) });

/** Values pass through Keyv as they are: each tier has a form of its own. */
const plain = { serialize: undefined, deserialize: undefined, namespace: undefined, useKeyPrefix: false } as const;

interface Wrapped<T> {
  readonly value: T;
}

/** Keyv's port. Clearing is refused: it would empty every tenant's entries at once. */
function adapterOf(tier: TierStore): KeyvStoreAdapter {
  const adapter = {
    opts: {},
    get: async (key: string): Promise<Wrapped<Found> | undefined> => {
      const value = await tier.get(key);
      return value && { value };
    },
    set: (key: string, { value }: Wrapped<Entry>, ttlMs = 0) => tier.set(key, value, ttlMs),
    delete: async (key: string) => {
      await tier.delete(key);
      return true;
    },
    clear: () => Promise.reject(new Error('the cache is never cleared as a whole')),
    on: () => adapter,
  };
  return adapter as KeyvStoreAdapter;
}
