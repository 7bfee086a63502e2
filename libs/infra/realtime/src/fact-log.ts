import { type Clock, newId, systemClock, type Tenant, type TenantContext } from '#infra/kernel';
import {
  type Catalogue,
  type FactRow,
  type FactSink,
  FactsRepository,
  type PublishedFact,
  publishedFact,
} from '#infra/queues';
import type { RedisConnections } from '#infra/redis';
import type { Sharding } from '#infra/sharding';
import type { Log, Metrics } from '#infra/telemetry';
import { FactStream } from './fact-stream.js';
import { NewestNumbers } from './newest-numbers.js';
import { RealtimeMetrics } from './realtime.metrics.js';

/** Facts that one answer may hold. */
export const missedMax = 500;
const readTimeoutMs = 10_000;

export interface MissedFacts {
  readonly facts: readonly PublishedFact[];
  /** False where facts are gone (older than 24 h) or more were missed than asked for: the listener reads everything anew. */
  readonly complete: boolean;
}

/** A stretch of a tenant's facts without a gap. */
export interface Stretch {
  readonly facts: readonly PublishedFact[];
  /** There are newer ones. */
  readonly more: boolean;
  /** It does not begin right after the place that was asked for: what was between is gone, or the place never was. */
  readonly gone: boolean;
}

export interface FactLogParts {
  readonly redis: RedisConnections;
  readonly sharding: Sharding;
  readonly catalogue: Catalogue;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock?: Clock;
}

/**
 * The last facts of every tenant, in order: the relay writes them, listeners that were away read what they missed. What
 * Redis has lost is read from the tenant's outbox, which keeps facts for a day.
 */
export class FactLog implements FactSink {
  readonly #stream: FactStream;
  readonly #rows = new FactsRepository();
  readonly #newest: NewestNumbers;
  readonly #metrics: RealtimeMetrics;
  readonly #unknown = new Set<string>();

  constructor(private readonly parts: FactLogParts) {
    this.#stream = new FactStream(parts.redis);
    this.#newest = new NewestNumbers((tenant) => this.#askNewest(tenant));
    this.#metrics = new RealtimeMetrics(parts.metrics);
  }

  async publish(facts: readonly PublishedFact[]): Promise<void> {
    const byTenant = Map.groupBy(facts, ({ tenantId }) => tenantId);
    await Promise.all([...byTenant].map(([tenantId, own]) => this.#stream.append(tenantId, own)));
  }

  /** What came after `seq`, oldest first; at most 500. */
  async after(ctx: TenantContext, seq: number, limit = missedMax): Promise<MissedFacts> {
    const { facts, more, gone } = await this.read(ctx, seq, Math.min(limit, missedMax));
    return { facts: gone ? [] : facts, complete: !more && !gone };
  }

  /** The number of the tenant's newest fact; 0 before the first. */
  newest(ctx: TenantContext): Promise<number> {
    return this.#newest.of(ctx.tenant);
  }

  /** As `after`, but goes on behind what is gone. */
  async read(ctx: TenantContext, seq: number, limit: number): Promise<Stretch> {
    const streamed = await this.#stream.following(ctx.tenant.id, seq, limit + 1);
    if (streamed.length > limit) return { facts: streamed.slice(0, limit), more: true, gone: false };
    const last = seq + streamed.length;
    const newest = await this.newest(ctx);
    if (newest === last) return { facts: streamed, more: false, gone: false };
    if (newest < last) return { facts: [], more: false, gone: true };
    const stored = await this.#stored(ctx, last, limit + 1 - streamed.length);
    if (stored[0]?.seq !== last + 1 && streamed.length > 0) return { facts: streamed, more: true, gone: false };
    const facts = [...streamed, ...withoutGap(stored)];
    const gone = facts[0]?.seq !== seq + 1;
    const more = facts.length > limit || (facts.at(-1)?.seq ?? newest) < newest;
    return { facts: facts.slice(0, limit), more, gone };
  }

  /** On behalf of all who wait for the answer: no one's deadline. */
  #askNewest(tenant: Tenant): Promise<number> {
    const deadline = (this.parts.clock ?? systemClock).now() + readTimeoutMs;
    const ctx: TenantContext = { requestId: newId(), actor: { kind: 'system', name: 'realtime' }, tenant, deadline };
    return this.parts.sharding.read(ctx, (tx) => this.#rows.newest(tx));
  }

  async #stored(ctx: TenantContext, seq: number, limit: number): Promise<readonly PublishedFact[]> {
    const rows = await this.parts.sharding.read(ctx, (tx) => this.#rows.after(tx, seq, limit));
    this.#metrics.readFromDatabase(rows.length);
    return rows.map((row) => this.#published(row));
  }

  /** A fact that this build does not know keeps its place and is told to nobody. */
  #published(row: FactRow): PublishedFact {
    const definition = this.parts.catalogue.facts.get(row.name);
    if (definition) return publishedFact(definition, row);
    if (!this.#unknown.has(row.name)) this.parts.log.warn('realtime.fact_unknown', { fact: row.name });
    this.#unknown.add(row.name);
    const { tenantId, seq, name, at } = row;
    return { tenantId, seq, name, at: at.getTime(), permission: '', rooms: [], payload: null };
  }
}

function withoutGap(facts: readonly PublishedFact[]): readonly PublishedFact[] {
  const first = facts[0]?.seq ?? 0;
  const gap = facts.findIndex(({ seq }, n) => seq !== first + n);
  return gap === -1 ? facts : facts.slice(0, gap);
}
