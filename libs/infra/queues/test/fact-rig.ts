import { z } from 'zod';
import { FixedClock, newId, type TenantContext, type TenantId } from '#infra/kernel';
import { createLog, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { Catalogue, defineFact } from '../src/catalogue.js';
import { FactRelay } from '../src/fact-relay.js';
import { Nudge } from '../src/nudge.js';
import { Outbox } from '../src/outbox.js';
import type { FactSink, PublishedFact } from '../src/published-fact.js';
import { QueueMetrics } from '../src/queues.metrics.js';

const start = Date.parse('2026-12-01T09:00:00Z');
const payload = z.strictObject({ thingId: z.uuid(), place: z.enum(['left', 'right']).optional() });
const words = { payload, permission: 'things.read', rooms: () => [{ of: 'tenant' }] as const };

export const found = defineFact({ name: 'thing.found', ...words });
export const lost = defineFact({ name: 'thing.lost', ...words });

/** Keeps what the relay brings, as often as it brings it. */
export class Recorder implements FactSink {
  readonly brought: PublishedFact[] = [];
  /** Runs before anything is kept; what it throws, publishing throws. */
  before: (facts: readonly PublishedFact[]) => Promise<void> | void = () => undefined;

  async publish(facts: readonly PublishedFact[]): Promise<void> {
    await this.before(facts);
    this.brought.push(...facts);
  }

  numbersOf(ctx: TenantContext): number[] {
    return this.brought.filter(({ tenantId }) => tenantId === ctx.tenant.id).map(({ seq }) => seq);
  }
}

export interface FactState {
  readonly id: string;
  readonly name: string;
  readonly seq: number | null;
  readonly published: boolean;
}

/** Outbox and fact relays on real databases, with a clock that the test moves. */
export class FactRig {
  readonly lines: string[] = [];
  readonly log;
  readonly metrics = new Metrics({
    config: { monitoring: true, service: 'test' },
    identity: { app: 'test', version: '0' },
    log: createLog({ level: 'error', service: 'test' }, { app: 'test', version: '0' }),
  });
  readonly catalogue = new Catalogue({ facts: [found, lost] });
  readonly outbox: Outbox;

  private constructor(
    readonly databases: TestDatabases,
    readonly clock: FixedClock,
  ) {
    const to = { write: (line: string) => void this.lines.push(line) };
    this.log = createLog({ level: 'info', service: 'test' }, { app: 'test', version: '0', to });
    this.outbox = new Outbox(this.catalogue, new Nudge(databases.redis, this.log), clock);
  }

  static async open(): Promise<FactRig> {
    const clock = new FixedClock(start);
    return new FactRig(await openTestDatabases({ clock }), clock);
  }

  async clear(): Promise<void> {
    for (const database of ['shard-1', 'shard-2'])
      await this.databases.asAdmin(database, 'truncate outbox, fact_sequence');
    this.lines.length = 0;
  }

  newRelay(sink: FactSink, catalogue = this.catalogue, relayPollMs = 60_000): FactRelay {
    const { log, clock } = this;
    const { sharding } = this.databases;
    const metrics = new QueueMetrics(this.metrics);
    return new FactRelay({ sharding, sink, catalogue, config: { relayPollMs }, log, metrics, clock });
  }

  /** Appends facts in one transaction; what they are about, in order. */
  async tell(ctx: TenantContext, fact: typeof found = found, count = 1): Promise<string[]> {
    const things = Array.from({ length: count }, () => newId());
    await this.databases.sharding.write(ctx, async (tx) => {
      for (const thingId of things) await this.outbox.append(tx, fact.entry(thingId, { thingId }));
    });
    return things;
  }

  /** The tenant's facts by number, those without one last. */
  async facts(ctx: TenantContext): Promise<FactState[]> {
    const { shardId } = await this.databases.sharding.tenants.byId(ctx.tenant.id);
    return this.databases.asAdmin<FactState>(
      shardId,
      `select id, name, seq::float8 as seq, published_at is not null as published from outbox
        where tenant_id = $1 and kind = 'fact' order by seq nulls last, id`,
      [ctx.tenant.id],
    );
  }

  async numbers(ctx: TenantContext): Promise<(number | null)[]> {
    return (await this.facts(ctx)).map(({ seq }) => seq);
  }

  async close(): Promise<void> {
    await this.databases.close();
  }
}

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1);
export const thingsIn = (facts: readonly PublishedFact[], tenantId: TenantId): string[] =>
  facts.filter((fact) => fact.tenantId === tenantId).map((fact) => (fact.payload as { thingId: string }).thingId);
