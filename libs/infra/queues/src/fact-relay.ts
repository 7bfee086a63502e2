import { type Clock, type Context, newId, type TenantId } from '#infra/kernel';
import { directoryName, type Sharding, type ShardResult, type SystemContext } from '#infra/sharding';
import type { Log } from '#infra/telemetry';
import { BlockedDatabases } from './blocked-databases.js';
import type { Catalogue } from './catalogue.js';
import { type FactRow, FactsRepository } from './facts.repository.js';
import { inTime } from './in-time.js';
import { type FactSink, type PublishedFact, publishedFact } from './published-fact.js';
import type { QueuesConfig } from './queues.config.js';
import type { QueueMetrics } from './queues.metrics.js';
import { Rounds } from './rounds.js';

/** Facts numbered in one transaction, and published in one. */
export const factBatch = 500;
/** A tenant whose facts could not be published is passed over for this long, so that others do not wait for it. */
const restMs = 1_000;
/** A fact that this build does not know is looked at again after this long. */
export const unknownRestMs = 30_000;
const passTimeoutMs = 30_000;

interface FactRelayParts {
  readonly sharding: Sharding;
  readonly catalogue: Catalogue;
  readonly sink: FactSink;
  readonly config: Pick<QueuesConfig, 'relayPollMs'>;
  readonly log: Log;
  readonly metrics: QueueMetrics;
  readonly clock: Clock;
}

interface Published {
  readonly claimed: number;
  readonly published: number;
  /** Why some of them were not. */
  readonly error?: unknown;
}

/**
 * Carries facts from the shards' outboxes to the sink: gives each its tenant's next number, commits, then publishes in
 * that order and marks. Whatever stops in between, the next pass goes on from there, and a fact keeps its number.
 * Any number of relays may run; in each database one numbers and one publishes at a time. No database waits for another.
 */
export class FactRelay {
  readonly #rows = new FactsRepository();
  readonly #blocked: BlockedDatabases;
  readonly #rounds: ReadonlyMap<string, Rounds>;
  readonly #restingUntil = new Map<TenantId, number>();
  readonly #unknown = new Set<string>();

  constructor(private readonly parts: FactRelayParts) {
    const { sharding, config, log } = parts;
    this.#blocked = new BlockedDatabases(log, 'facts');
    this.#rounds = new Map(
      sharding.databaseNames
        .filter((name) => name !== directoryName)
        .map((database) => {
          const pass = () => this.#passOne(database);
          const onError = (error: unknown) => log.error('relay.failed', { component: 'facts', database, error });
          return [database, new Rounds({ pass, pollMs: config.relayPollMs, onError })];
        }),
    );
  }

  start(): void {
    for (const rounds of this.#rounds.values()) rounds.start();
  }

  /** New facts were committed somewhere. */
  readonly wake = (): void => {
    for (const rounds of this.#rounds.values()) rounds.wake();
  };

  /** Resolves when what is under way is committed or undone. */
  async stop(): Promise<void> {
    await Promise.all([...this.#rounds.values()].map((rounds) => rounds.stop()));
  }

  /** One batch of every shard; true where one may have more. */
  async pass(): Promise<boolean> {
    const more = await Promise.all([...this.#rounds.keys()].map((database) => this.#passOne(database)));
    return more.includes(true);
  }

  async #passOne(database: string): Promise<boolean> {
    const numbered = await this.#in(database, (system) => this.#number(system));
    const published = numbered.value?.waiting ? await this.#in(database, (system) => this.#publish(system)) : undefined;
    const error = numbered.error ?? published?.error ?? published?.value?.error;
    const idle = numbered.value?.waiting === false;
    if (idle) this.parts.metrics.factsWaiting(database, 0);
    if (error !== undefined || idle || published?.value?.published) this.#blocked.note(database, error);
    const left = published?.value?.claimed === factBatch && published.value.published > 0;
    return left || numbered.value?.due === factBatch;
  }

  async #in<T>(database: string, fn: (system: SystemContext) => Promise<T>): Promise<Omit<ShardResult<T>, 'database'>> {
    const ctx: Context = {
      requestId: newId(),
      actor: { kind: 'system', name: 'relay' },
      tenant: null,
      deadline: this.parts.clock.now() + passTimeoutMs,
    };
    const [result] = await this.parts.sharding.eachShard(ctx, fn, { only: database });
    return result ?? {};
  }

  async #number(system: SystemContext): Promise<{ readonly due: number; readonly waiting: boolean }> {
    const at = this.parts.clock.now();
    const [held, due, waiting] = await Promise.all([
      this.#rows.enter(system, 'numbering'),
      this.#rows.unnumbered(system, at, factBatch),
      this.#rows.hasUnpublished(system),
    ]);
    if (!held || due.length === 0) return { due: 0, waiting };
    const known = due.filter(({ name }) => this.parts.catalogue.facts.has(name));
    const unknown = due.filter(({ name }) => !this.parts.catalogue.facts.has(name));
    if (known.length > 0) this.#rows.number(system, known);
    if (unknown.length > 0) this.#rows.postpone(system, unknown, at + unknownRestMs);
    for (const { name } of unknown) this.#sayUnknown(system.database, name);
    return { due: due.length, waiting: waiting || known.length > 0 };
  }

  async #publish(system: SystemContext): Promise<Published> {
    const at = this.parts.clock.now();
    const [held, rows] = await Promise.all([
      this.#rows.enter(system, 'publishing'),
      this.#rows.unpublished(system, this.#resting(at), factBatch),
    ]);
    if (!held || rows.length === 0) return { claimed: 0, published: 0 };
    const oldest = rows.reduce((least, row) => Math.min(least, row.at.getTime()), at);
    this.parts.metrics.factsWaiting(system.database, at - oldest);
    const outcomes = await Promise.all(
      [...Map.groupBy(rows, (row) => row.tenantId)].map((facts) => this.#publishTenant(system.database, ...facts)),
    );
    const done = outcomes.flatMap((outcome) => outcome.done);
    if (done.length > 0) this.#rows.markPublished(system, done, at);
    this.parts.metrics.factsPublished(system.database, done.length);
    const error = outcomes.find((outcome) => outcome.error !== undefined)?.error;
    return { claimed: rows.length, published: done.length, error };
  }

  /** The tenant's facts up to the first that this build does not know: a newer one publishes that. */
  async #publishTenant(
    database: string,
    tenantId: TenantId,
    rows: readonly FactRow[],
  ): Promise<{ readonly done: readonly FactRow[]; readonly error?: unknown }> {
    const facts: PublishedFact[] = [];
    for (const row of rows) {
      const definition = this.parts.catalogue.facts.get(row.name);
      if (!definition) {
        this.#sayUnknown(database, row.name);
        this.#rest(tenantId, unknownRestMs);
        break;
      }
      facts.push(publishedFact(definition, row));
    }
    try {
      if (facts.length > 0) await inTime(this.parts.sink.publish(facts));
      return { done: rows.slice(0, facts.length) };
    } catch (error) {
      this.#rest(tenantId, restMs);
      return { done: [], error };
    }
  }

  #rest(tenantId: TenantId, forMs: number): void {
    this.#restingUntil.set(tenantId, this.parts.clock.now() + forMs);
  }

  #resting(at: number): readonly TenantId[] {
    for (const [tenantId, until] of this.#restingUntil) if (until <= at) this.#restingUntil.delete(tenantId);
    return [...this.#restingUntil.keys()];
  }

  #sayUnknown(database: string, fact: string): void {
    if (this.#unknown.has(fact)) return;
    this.#unknown.add(fact);
    this.parts.log.warn('outbox.fact_unknown', { database, fact });
  }
}
