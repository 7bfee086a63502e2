import { readFileSync } from 'node:fs';
import type { TenantId } from '#infra/kernel';
import type { PublishedFact } from '#infra/queues';
import type { RedisConnection, RedisConnections } from '#infra/redis';
import { factIn, textOf } from './fact-text.js';

/** Facts that a tenant's stream keeps, about; older ones are read from the database. */
export const streamMax = 1_000;
const streamTtlMs = 24 * 3_600_000;

const lua = readFileSync(new URL('./publish.lua', import.meta.url), 'utf8');
type Script = (key: string, ...args: readonly (string | number)[]) => Promise<number>;

/** One slot of a cluster holds all that is a tenant's. */
const streamOf = (tenantId: TenantId): string => `facts:{t:${tenantId}}`;
export const channelOf = (tenantId: TenantId): string => `${streamOf(tenantId)}:live`;

/** The newest facts of every tenant in Redis: a stream to read on from a place, a channel to hear of the next. */
export class FactStream {
  readonly #prepared = new WeakSet<RedisConnection>();

  constructor(private readonly redis: RedisConnections) {}

  /** Facts of one tenant in the order of their `seq`; how many the stream did not have. */
  async append(tenantId: TenantId, facts: readonly PublishedFact[]): Promise<number> {
    const entries = facts.flatMap((fact) => [fact.seq, textOf(fact)]);
    return this.#script()(streamOf(tenantId), channelOf(tenantId), streamMax, streamTtlMs, ...entries);
  }

  /**
   * The facts that follow `seq` without a gap, as far as the stream has them: none where it does not reach back so far
   * or Redis is away.
   */
  async following(tenantId: TenantId, seq: number, limit: number): Promise<readonly PublishedFact[]> {
    const connection = this.redis.get('realtime');
    if (connection.status !== 'ready') return [];
    const entries = await connection.xrange(streamOf(tenantId), `${seq + 1}-0`, '+', 'COUNT', limit).catch(() => []);
    const facts: PublishedFact[] = [];
    for (const [, [, text = '']] of entries) {
      const fact = factIn(text, tenantId);
      if (fact?.seq !== seq + facts.length + 1) break;
      facts.push(fact);
    }
    return facts;
  }

  #script(): Script {
    const connection = this.redis.get('realtime');
    if (!this.#prepared.has(connection)) connection.defineCommand('publishFacts', { numberOfKeys: 1, lua });
    this.#prepared.add(connection);
    const script: Script = Reflect.get(connection, 'publishFacts');
    return script.bind(connection);
  }
}
