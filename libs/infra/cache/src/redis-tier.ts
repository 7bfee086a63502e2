import { randomUUID } from 'node:crypto';
import type { RedisBreaker, RedisConnection, RedisConnections } from '#infra/redis';
import { type CacheKey, claimKey, forgottenKey, isScope, lateKey, scopes } from './key.js';
import { Owed } from './owed.js';
import { forgetScript, readScript, releaseScript, storeScript } from './scripts.js';

/** Longer than anything that is stored may have taken to load. */
const forgottenTtlMs = 60_000;
/** Longer than any entry; renewed by each that is stored. */
export const versionTtlMs = 2 * 86_400_000;
/** After this long somebody else may load what a process has claimed. */
export const claimTtlMs = 5_000;

const commands = {
  readCacheEntry: { numberOfKeys: 6, lua: readScript },
  storeCacheEntry: { numberOfKeys: 6, lua: storeScript },
  forgetCacheScope: { numberOfKeys: 1, lua: forgetScript },
  releaseCacheClaim: { numberOfKeys: 1, lua: releaseScript },
} as const;
type Command = keyof typeof commands;

/** What this process gives back when it has loaded; null: another one is loading. */
export type Claim = string | null;

export type Reading =
  | { readonly kind: 'value'; readonly value: Buffer; readonly leftMs: number; readonly clockUs: number }
  | {
      readonly kind: 'none';
      readonly clockUs: number;
      readonly claim: Claim;
      readonly late?: { readonly value: Buffer; readonly leftMs: number };
    }
  | { readonly kind: 'away' }
  | { readonly kind: 'error' };

export interface Storing {
  readonly clockUs: number;
  readonly value: Buffer;
  readonly ttlMs: number;
  /** 0: no late copy. */
  readonly lateTtlMs: number;
  readonly tags: readonly string[];
  readonly claim: Claim;
}

/**
 * Entries in Redis, each with a time to live. After `remove` nothing that was read from the source before it can come
 * back: it would have been loaded with an older clock than the version of what was removed.
 */
export class RedisTier {
  /** Tried again with every beat. */
  readonly #owed = new Owed();
  readonly #prepared = new WeakSet<RedisConnection>();
  #settling = false;

  constructor(
    private readonly redis: RedisConnections,
    private readonly breaker: RedisBreaker,
    /** A removal that Redis owed is done. */
    private readonly onRemoved: (scope: string) => void,
  ) {}

  /** Where nothing is to be had, the first who asks gets the claim to load it. */
  async read(key: CacheKey, wantsLate: boolean): Promise<Reading> {
    const connection = this.#usable();
    if (connection === undefined || this.#owed.concerns(key)) return { kind: 'away' };
    const prefix = scopes.tagPrefix(key.tenantId);
    const wanted = randomUUID();
    const words = [prefix, wantsLate ? '1' : '0', wanted, claimTtlMs];
    const answer = await this.#ask(connection, 'readCacheEntry', [...keysOf(key), ...words]);
    if (answer === undefined) return { kind: 'error' };
    const [value, leftMs, clock, late, lateLeftMs, mine] = answer as [Buffer, number, Buffer, Buffer, number, number];
    const clockUs = Number(clock.toString('latin1'));
    if (value.length > 0) return { kind: 'value', value, leftMs, clockUs };
    const none = { kind: 'none', clockUs, claim: mine === 1 ? wanted : null } as const;
    return late.length > 0 ? { ...none, late: { value: late, leftMs: lateLeftMs } } : none;
  }

  /** False where something of it was forgotten since, or Redis cannot be reached. */
  async store(key: CacheKey, { clockUs, value, ttlMs, lateTtlMs, tags, claim }: Storing): Promise<boolean> {
    const connection = this.#usable();
    if (connection === undefined || this.#owed.concerns(key)) return false;
    const prefix = scopes.tagPrefix(key.tenantId);
    const words = [clockUs, value, ttlMs, lateTtlMs, prefix, versionTtlMs, claim ?? '', ...tags];
    return (await this.#ask(connection, 'storeCacheEntry', [...keysOf(key), ...words])) === 1;
  }

  /** To load ahead what is still there. */
  async claim({ text }: CacheKey): Promise<Claim> {
    const connection = this.#usable();
    if (connection === undefined) return null;
    const claim = randomUUID();
    try {
      return (await connection.set(claimKey(text), claim, 'PX', claimTtlMs, 'NX')) === null ? null : claim;
    } catch (error) {
      this.breaker.failed(error);
      return null;
    }
  }

  /** After a load that failed; others need not wait for it any longer. */
  async release({ text }: CacheKey, claim: string): Promise<void> {
    const connection = this.#usable();
    if (connection) await this.#ask(connection, 'releaseCacheClaim', [claimKey(text), claim]);
  }

  /**
   * A key, or all of a scope at once. Tried whatever the breaker says; owed, and tried again, where it fails. The commands
   * leave before this returns.
   */
  async remove(scope: string): Promise<boolean> {
    const { mark } = this.#owed;
    try {
      const connection = this.redis.get('cache');
      const forget = this.#script(connection, 'forgetCacheScope');
      if (isScope(scope)) await forget(scope, versionTtlMs);
      else
        await Promise.all([
          forget(forgottenKey(scope), forgottenTtlMs),
          connection.del(scope, lateKey(scope), claimKey(scope)),
        ]);
      this.#owed.done(scope, mark);
      return true;
    } catch {
      this.#owed.add(scope);
      return false;
    }
  }

  /** Does what is owed, once Redis answers again. */
  async settle(): Promise<void> {
    if (this.#settling || this.#owed.size === 0 || this.away) return;
    this.#settling = true;
    for (const scope of this.#owed.list()) {
      if (!(await this.remove(scope))) break;
      this.onRemoved(scope);
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

  async #ask(
    connection: RedisConnection,
    command: Command,
    words: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    try {
      const answer = await this.#script(connection, command)(...words);
      this.breaker.succeeded();
      return answer;
    } catch (error) {
      this.breaker.failed(error);
      return undefined;
    }
  }

  #script(
    connection: RedisConnection,
    command: Command,
  ): (...args: readonly (string | number | Buffer)[]) => Promise<unknown> {
    if (!this.#prepared.has(connection)) {
      for (const [name, definition] of Object.entries(commands)) connection.defineCommand(name, definition);
      this.#prepared.add(connection);
    }
    return Reflect.get(connection, `${command}Buffer`).bind(connection);
  }
}

const keysOf = ({ text, tenantId, strategy }: CacheKey): readonly string[] => [
  text,
  lateKey(text),
  forgottenKey(text),
  scopes.ofTenant(tenantId),
  scopes.ofStrategy(tenantId, strategy),
  claimKey(text),
];
