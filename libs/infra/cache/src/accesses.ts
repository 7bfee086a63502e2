import type { TenantId } from '#infra/kernel';
import type { RedisConnection, RedisConnections } from '#infra/redis';
import type { CacheKey } from './key.js';
import { type StrategyName, strategyNames } from './strategies.js';

/** One read in so many that memory answers is counted, as so many; every miss is. */
export const sampledOneIn = 16;
/** Keys that a process counts between two flushes; more are not counted. */
const countedMax = 5_000;
const flushedMax = 500;
/** Keys of a strategy that Redis ranks; the least wanted leave. */
export const rankedMax = 5_000;
const rankTtlS = 7 * 86_400;

/** KEYS[1] ranks; ARGV: [1] most to rank, [2] seconds to keep them, then pairs of count and member. */
const countScript = `
for n = 3, #ARGV, 2 do redis.call('ZINCRBY', KEYS[1], ARGV[n], ARGV[n + 1]) end
if redis.call('ZCARD', KEYS[1]) > 2 * tonumber(ARGV[1]) then
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[1]))
end
return redis.call('EXPIRE', KEYS[1], ARGV[2])`;

/** KEYS[1] ranks. Halves every count, so that what was wanted long ago leaves. */
const fadeScript = `
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(1')) do redis.call('ZREM', KEYS[1], member) end
return redis.call('ZUNIONSTORE', KEYS[1], 1, KEYS[1], 'WEIGHTS', '0.5')`;

/** A key that was asked for often. */
export interface Wanted {
  readonly tenantId: TenantId;
  readonly name: string;
}

const ranksOf = (strategy: StrategyName): string => `c1:wanted:${strategy}`;

/** Which keys are asked for how often, over all processes: ids and digests, as in the keys themselves. */
export class Accesses {
  readonly #counts = new Map(strategyNames.map((name) => [name, new Map<string, number>()] as const));

  constructor(private readonly redis: RedisConnections) {}

  noteHit(key: CacheKey): void {
    if (Math.random() * sampledOneIn < 1) this.#note(key, sampledOneIn);
  }

  noteMiss(key: CacheKey): void {
    this.#note(key, 1);
  }

  /** Tells Redis. Where it is away, the counts of that time are lost. */
  async flush(): Promise<void> {
    for (const [strategy, counted] of this.#counts) {
      const pairs = [...counted];
      counted.clear();
      for (let n = 0; n < pairs.length; n += flushedMax) {
        const words = pairs.slice(n, n + flushedMax).flatMap(([member, count]) => [count, member]);
        await this.#try((redis) => redis.eval(countScript, 1, ranksOf(strategy), rankedMax, rankTtlS, ...words));
      }
    }
  }

  /** Most wanted first. */
  async mostWanted(strategy: StrategyName, most: number): Promise<readonly Wanted[]> {
    const members = await this.#try((redis) => redis.zrevrange(ranksOf(strategy), 0, most - 1));
    return (members ?? []).flatMap((member) => {
      const [tenantId, name] = member.split(' ');
      return tenantId && name ? [{ tenantId: tenantId as TenantId, name }] : [];
    });
  }

  /** Once an hour, by one process. */
  async fade(): Promise<void> {
    for (const strategy of strategyNames) await this.#try((redis) => redis.eval(fadeScript, 1, ranksOf(strategy)));
  }

  #note({ strategy, tenantId, name }: CacheKey, weight: number): void {
    const counted = this.#counts.get(strategy);
    const member = `${tenantId} ${name}`;
    const known = counted?.get(member);
    if (known !== undefined || (counted?.size ?? countedMax) < countedMax) counted?.set(member, (known ?? 0) + weight);
  }

  async #try<T>(ask: (redis: RedisConnection) => Promise<T>): Promise<T | undefined> {
    const connection = this.redis.get('cache');
    if (connection.status !== 'ready') return undefined;
    return ask(connection).catch(() => undefined);
  }
}
