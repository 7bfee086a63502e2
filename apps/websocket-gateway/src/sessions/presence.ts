import { type Clock, type Instant, type TenantId, toDate } from '#infra/kernel';
import type { RedisConnections } from '#infra/redis';
import type { Log } from '#infra/telemetry';
import type { Listener } from '../sockets/listener.js';

/** A connection that gave no sign of life for this long is forgotten, whatever became of its gateway. */
export const presenceTtlMs = 60_000;
/** Connections that one answer lists. */
export const listedMax = 500;
const writtenAtOnce = 500;

/** A connection as others of its tenant may see it. */
export interface Present {
  readonly userId: string;
  readonly connectedAt: string;
  readonly lastActiveAt: string;
}

interface PresenceParts {
  readonly redis: RedisConnections;
  readonly clock: Clock;
  readonly log: Log;
}

const keyOf = (tenantId: TenantId): string => `presence:{${tenantId}}`;
const memberOf = ({ userId, connectedAt, socket }: Listener): string => `${userId}|${connectedAt}|${socket.id}`;

/**
 * Who is connected, on any gateway: one sorted set per tenant, of connections by their last sign of life. Only a
 * convenience: without Redis it is empty, and nothing else depends on it.
 */
export class Presence {
  constructor(private readonly parts: PresenceParts) {}

  /** Resolves in any case, as do the next two. */
  async joined(listener: Listener): Promise<void> {
    const key = keyOf(listener.tenant.id);
    const redis = this.parts.redis.get('realtime');
    await this.#tolerate(redis.zadd(key, listener.heardAt, memberOf(listener)), redis.pexpire(key, presenceTtlMs));
  }

  /** The connections that a tenant has here; those of any gateway that gave no sign of life are forgotten. */
  async seen(tenantId: TenantId, listeners: Iterable<Listener>): Promise<void> {
    const words = [...listeners].map((listener) => [listener.heardAt, memberOf(listener)] as const);
    const redis = this.parts.redis.get('realtime');
    const key = keyOf(tenantId);
    for (let at = 0; at < words.length; at += writtenAtOnce)
      await this.#tolerate(redis.zadd(key, ...words.slice(at, at + writtenAtOnce).flat()));
    const forgotten = redis.zremrangebyscore(key, '-inf', this.#forgottenBefore());
    await this.#tolerate(forgotten, redis.pexpire(key, presenceTtlMs));
  }

  async left(listener: Listener): Promise<void> {
    await this.#tolerate(this.parts.redis.get('realtime').zrem(keyOf(listener.tenant.id), memberOf(listener)));
  }

  /** How many there are, and those heard of last, at most 500. Throws where Redis does not answer. */
  async list(tenantId: TenantId): Promise<{ readonly total: number; readonly connections: readonly Present[] }> {
    const redis = this.parts.redis.get('realtime');
    const key = keyOf(tenantId);
    const since = `(${this.#forgottenBefore()}`;
    const [total, listed] = await Promise.all([
      redis.zcount(key, since, '+inf'),
      redis.zrevrangebyscore(key, '+inf', since, 'WITHSCORES', 'LIMIT', 0, listedMax),
    ]);
    const connections: Present[] = [];
    for (let n = 0; n + 1 < listed.length; n += 2) connections.push(presentOf(listed[n] ?? '', Number(listed[n + 1])));
    return { total, connections };
  }

  #forgottenBefore(): Instant {
    return this.parts.clock.now() - presenceTtlMs;
  }

  async #tolerate(...commands: readonly Promise<unknown>[]): Promise<void> {
    for (const outcome of await Promise.allSettled(commands))
      if (outcome.status === 'rejected') this.parts.log.debug('presence.not_written', { error: outcome.reason });
  }
}

function presentOf(member: string, heardAt: Instant): Present {
  const [userId = '', connectedAt] = member.split('|');
  return {
    userId,
    connectedAt: toDate(Number(connectedAt)).toISOString(),
    lastActiveAt: toDate(heardAt).toISOString(),
  };
}
