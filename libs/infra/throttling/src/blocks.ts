import type { Clock, Instant, TenantId, UserId } from '#infra/kernel';
import type { RedisConnections } from '#infra/redis';
import type { Log } from '#infra/telemetry';
import { addressSubject } from './address.js';

/** Who is blocked for abuse: an address (IPv6 by /64), or a user of a tenant. */
export type BlockedSubject =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'user'; readonly tenantId: TenantId; readonly userId: UserId };

export interface Block {
  readonly subject: BlockedSubject;
  readonly until: Instant;
}

interface BlocksParts {
  readonly redis: RedisConnections;
  readonly log: Log;
  readonly clock: Clock;
  /** This process, too, asks anew. */
  readonly forget?: (abuseKey: string) => void;
}

/** Every block by its end. The blocks themselves stand with what the subject violated (consume.lua). */
const listKey = 'limits:{blocked}';
const listedMax = 1_000;
const keptMs = 90_000_000;

const abuseKey = /^limits:\{(?:ip:(.+)|t:([^}]+))\}:(?:u:(.+):)?abuse$/;

/** The list of who is blocked, and the way out of it. Throws only where somebody asks for it and Redis is away. */
export class Blocks {
  constructor(private readonly parts: BlocksParts) {}

  /** Never throws: the block stands, whether or not it is listed. */
  async note(key: string, forMs: number): Promise<void> {
    const { redis, log, clock } = this.parts;
    const kind = key.startsWith('limits:{ip:') ? 'address' : 'user';
    log.warn('limits.subject_blocked', { kind, retryAfterMs: forMs });
    try {
      const connection = redis.get('limits');
      await connection.zadd(listKey, clock.now() + forMs, key);
      await connection.pexpire(listKey, keptMs);
      await connection.zremrangebyscore(listKey, 0, clock.now());
    } catch (error) {
      log.warn('limits.block_not_listed', { error });
    }
  }

  /** Those that stand now, the longest last; at most 1,000. */
  async list(): Promise<readonly Block[]> {
    const { redis, clock } = this.parts;
    const now = clock.now();
    const found = await redis
      .get('limits')
      .zrange(listKey, `(${now}`, '+inf', 'BYSCORE', 'LIMIT', 0, listedMax, 'WITHSCORES');
    const blocks: Block[] = [];
    for (let n = 0; n + 1 < found.length; n += 2) {
      const subject = subjectIn(found[n] ?? '');
      if (subject !== undefined) blocks.push({ subject, until: Number(found[n + 1]) });
    }
    return blocks;
  }

  /** Whether it is blocked now. */
  async has(subject: BlockedSubject): Promise<boolean> {
    const until = await this.parts.redis.get('limits').zscore(listKey, keyOf(subject));
    return Number(until ?? 0) > this.parts.clock.now();
  }

  /** False where nobody was blocked. Every process lets the subject in again within 10 s, this one at once. */
  async lift(subject: BlockedSubject): Promise<boolean> {
    const connection = this.parts.redis.get('limits');
    const key = keyOf(subject);
    const was = await connection.del(key);
    const listed = await connection.zrem(listKey, key);
    this.parts.forget?.(key);
    return was > 0 || listed > 0;
  }
}

function subjectIn(key: string): BlockedSubject | undefined {
  const [, address, tenantId, userId] = abuseKey.exec(key) ?? [];
  if (address !== undefined) return { kind: 'address', address };
  if (tenantId === undefined || userId === undefined) return undefined;
  return { kind: 'user', tenantId: tenantId as TenantId, userId: userId as UserId };
}

const keyOf = (subject: BlockedSubject): string =>
  subject.kind === 'address'
    ? `limits:{ip:${subject.address.endsWith('::/64') ? subject.address : addressSubject(subject.address)}}:abuse`
    : `limits:{t:${subject.tenantId}}:u:${subject.userId}:abuse`;
