import { LRUCache } from 'lru-cache';
import type { TenantId } from '#infra/kernel';
import type { RedisConnections } from '#infra/redis';
import { parseSortable, sortableWalPosition, type WalPosition } from './lag.js';

/** Longer than a replica in rotation may lag, whatever its operators allow (`lagMultiplierMax`). */
const keptForS = 600;
const ownMax = 10_000;
/** The first connection of the process is waited for; one that is down later is not. */
const readyTimeoutMs = 1_000;

/** KEYS[1] the user's key; ARGV[1] the position, sortable as text; ARGV[2] seconds to keep it. Keeps the greater one. */
const keepGreatest = `
local kept = redis.call('GET', KEYS[1])
if not kept or kept < ARGV[1] then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return 1`;

/**
 * Where a user's newest write stands in the log of a database: known at once to this process, and through Redis to all
 * others, for 10 minutes, which is longer than a replica in rotation may lag.
 */
export class WritePositions {
  readonly #own = new LRUCache<string, WalPosition>({ max: ownMax, ttl: keptForS * 1_000 });

  #connected: Promise<boolean> | undefined;

  constructor(private readonly redis: RedisConnections) {}

  async remember(tenantId: TenantId, actorId: string, database: string, position: WalPosition): Promise<void> {
    const key = keyOf(tenantId, actorId, database);
    if (position > (this.#own.get(key) ?? -1n)) this.#own.set(key, position);
    try {
      const connection = await this.#connection();
      await connection.eval(keepGreatest, 1, key, sortableWalPosition(position), keptForS);
    } catch {
      // While Redis is away, `newest` fails in every process and sends their reads to the primary.
    }
  }

  /** The position to wait for: null when this user wrote nothing lately, 'unknown' when nobody can tell. */
  async newest(tenantId: TenantId, actorId: string, database: string): Promise<WalPosition | null | 'unknown'> {
    const key = keyOf(tenantId, actorId, database);
    const own = this.#own.get(key) ?? null;
    try {
      const kept = await (await this.#connection()).get(key);
      const shared = kept === null ? null : parseSortable(kept);
      return own === null || (shared !== null && shared > own) ? shared : own;
    } catch {
      return 'unknown';
    }
  }

  async #connection() {
    this.#connected ??= this.redis.ready('sessions', readyTimeoutMs);
    await this.#connected;
    return this.redis.get('sessions');
  }
}

const keyOf = (tenantId: TenantId, actorId: string, database: string): string =>
  `ryw:{t:${tenantId}}:${database}:${actorId}`;
