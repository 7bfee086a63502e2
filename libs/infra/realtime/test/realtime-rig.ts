import { z } from 'zod';
import { newId, systemClock, type TenantContext } from '#infra/kernel';
import {
  Catalogue,
  defineFact,
  FactRelay,
  type FactSink,
  Nudge,
  Outbox,
  type PublishedFact,
  QueueMetrics,
} from '#infra/queues';
import { createLog, type Log, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { FactFeed } from '../src/fact-feed.js';
import { FactLog } from '../src/fact-log.js';
import { textOf } from '../src/fact-text.js';

const payload = z.strictObject({ thingId: z.uuid(), n: z.int() });
export const found = defineFact({
  name: 'thing.found',
  payload,
  permission: 'things.read',
  rooms: ({ thingId }) => [{ of: 'tenant' }, { of: 'appointment', id: thingId }],
});

export const upTo = (count: number, from = 1): number[] => Array.from({ length: count }, (_, n) => from + n);
export const keyOf = ({ tenant }: TenantContext): string => `facts:{t:${tenant.id}}`;
export const channelOf = (ctx: TenantContext): string => `${keyOf(ctx)}:live`;

/** Everything between a commit and a follower: outbox, relay, Redis, log and feeds. */
export class RealtimeRig {
  readonly lines: string[] = [];
  readonly log: Log;
  readonly outbox: Outbox;
  readonly facts: FactLog;
  readonly relay: FactRelay;
  readonly metrics = new Metrics({
    config: { monitoring: true, service: 'test' },
    identity: { app: 'test', version: '0' },
    log: createLog({ level: 'error', service: 'test' }, { app: 'test', version: '0' }),
  });
  readonly #feeds: FactFeed[] = [];

  private constructor(readonly databases: TestDatabases) {
    const to = { write: (line: string) => void this.lines.push(line) };
    this.log = createLog({ level: 'info', service: 'test' }, { app: 'test', version: '0', to });
    this.outbox = new Outbox(new Catalogue({ facts: [found] }), new Nudge(databases.redis, this.log), systemClock);
    this.facts = this.newLog();
    this.relay = this.newRelay();
  }

  static async open(env: Readonly<Record<string, string>> = {}): Promise<RealtimeRig> {
    return new RealtimeRig(await openTestDatabases({ env }));
  }

  newLog(catalogue = new Catalogue({ facts: [found] })): FactLog {
    const { redis, sharding } = this.databases;
    return new FactLog({ redis, sharding, catalogue, log: this.log, metrics: new Metrics() });
  }

  newRelay(sink: FactSink = this.facts): FactRelay {
    return new FactRelay({
      sharding: this.databases.sharding,
      catalogue: new Catalogue({ facts: [found] }),
      sink,
      config: { relayPollMs: 50 },
      log: this.log,
      metrics: new QueueMetrics(new Metrics()),
      clock: systemClock,
    });
  }

  /** As in another process; closed with the rig. */
  newFeed(intervals: { readonly lookEveryMs?: number; readonly blindLookEveryMs?: number } = {}): FactFeed {
    const { log, facts, metrics } = this;
    const feed = new FactFeed({ redis: this.databases.redis, facts, log, metrics, ...intervals });
    this.#feeds.push(feed);
    return feed;
  }

  /** One transaction with facts numbered n, n + 1 …, which is also what their payloads say. */
  async tell(ctx: TenantContext, n = 0, count = 1): Promise<void> {
    await this.databases.sharding.write(ctx, async (tx) => {
      for (const each of upTo(count, n)) {
        const thingId = newId();
        await this.outbox.append(tx, found.entry(thingId, { thingId, n: each }));
      }
    });
  }

  /** Until every fact is published. */
  async relayAll(): Promise<void> {
    while (await this.relay.pass());
  }

  async tellAndRelay(ctx: TenantContext, n = 0, count = 1): Promise<void> {
    await this.tell(ctx, n, count);
    await this.relayAll();
  }

  /** The facts reach the stream, and the message that tells of them is lost. */
  async tellUnheard(ctx: TenantContext, n = 0, count = 1): Promise<void> {
    await this.tell(ctx, n, count);
    const redis = this.databases.redis.get('realtime');
    const publish = async (facts: readonly PublishedFact[]) => {
      for (const fact of facts) await redis.xadd(keyOf(ctx), `${fact.seq}-0`, 'fact', textOf(fact));
    };
    await this.newRelay({ publish }).pass();
  }

  /** The numbers in the tenant's stream. */
  async stream(ctx: TenantContext): Promise<number[]> {
    const entries = await this.databases.redis.get('realtime').xrange(keyOf(ctx), '-', '+');
    return entries.map(([id]) => Number(id.split('-')[0]));
  }

  /** Facts told so far by all feeds, because a message brought them or because they were found in the log. */
  async toldBy(source: 'live' | 'log'): Promise<number> {
    const { body } = await this.metrics.expose();
    return Number(new RegExp(`facts_told_total{source="${source}"} (\\d+)`).exec(body)?.[1] ?? '0');
  }

  async close(): Promise<void> {
    await Promise.all(this.#feeds.map((feed) => feed.close()));
    await this.databases.close();
  }
}

/** A follower that keeps the numbers it is told. */
export class Follower {
  readonly told: PublishedFact[] = [];
  readonly onFact = (fact: PublishedFact): void => void this.told.push(fact);

  get numbers(): number[] {
    return this.told.map(({ seq }) => seq);
  }
}
