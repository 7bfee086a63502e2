import type { BeforeApplicationShutdown } from '@nestjs/common';
import { type Clock, monotonicMs, newId, systemClock, type Tenant, type TenantContext } from '#infra/kernel';
import type { PublishedFact } from '#infra/queues';
import type { RedisConnections } from '#infra/redis';
import type { Log, Metrics } from '#infra/telemetry';
import { type FactLog, missedMax } from './fact-log.js';
import { channelOf } from './fact-stream.js';
import { factIn } from './fact-text.js';
import { fail } from './realtime.errors.js';
import { RealtimeMetrics } from './realtime.metrics.js';
import { Subscriptions } from './subscriptions.js';
import { type OnFact, TenantFeed } from './tenant-feed.js';

/** A tenant whose channel is heard is looked after this often, for a last message that was lost. */
const lookEveryMs = 30_000;
/** How often tenants are looked after whose channel is not heard, or whose last look failed. */
const blindLookEveryMs = 2_000;
/** Tenants looked after at a time. */
const looksAtOnce = 8;
const readTimeoutMs = 10_000;

export interface Following {
  /** The follower is told every fact after this one. */
  readonly position: number;
  stop(): void;
}

export interface FactFeedParts {
  readonly redis: RedisConnections;
  readonly facts: FactLog;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  /** Other intervals than those above. */
  readonly lookEveryMs?: number;
  readonly blindLookEveryMs?: number;
}

interface Entry {
  readonly tenant: Tenant;
  readonly channel: string;
  readonly feed: TenantFeed;
  /** Followers, and those who wait to be. */
  users: number;
  opened: Promise<void>;
  /** On the monotonic clock. */
  nextLookMs: number;
  failing: boolean;
}

/** Live facts: every follower of a tenant is told each fact after its position once and in order, whatever Redis loses. */
export class FactFeed implements BeforeApplicationShutdown {
  readonly #entries = new Map<string, Entry>();
  readonly #subscriptions: Subscriptions;
  readonly #metrics: RealtimeMetrics;
  #timer: NodeJS.Timeout | undefined;
  #sweep: Promise<void> | undefined;
  #closed = false;

  constructor(private readonly parts: FactFeedParts) {
    this.#metrics = new RealtimeMetrics(parts.metrics);
    this.#subscriptions = new Subscriptions(parts.redis, {
      onMessage: (channel, text) => this.#heard(channel, text),
      onReady: () => this.#lookAtAll(),
    });
  }

  /** `onFact` is called for one fact after the other; what it throws is logged and changes nothing. */
  async follow(ctx: TenantContext, onFact: OnFact): Promise<Following> {
    if (this.#closed) throw fail('realtime.closed');
    const entry = this.#entries.get(channelOf(ctx.tenant.id)) ?? this.#enter(ctx.tenant);
    entry.users += 1;
    try {
      await entry.opened;
      if (this.#closed) throw fail('realtime.closed');
    } catch (error) {
      this.#leave(entry);
      throw error;
    }
    const follower: OnFact = (fact) => onFact(fact);
    entry.feed.followers.add(follower);
    const stop = () => {
      if (entry.feed.followers.delete(follower)) this.#leave(entry);
    };
    return { position: entry.feed.position, stop };
  }

  /** Tells nobody anything any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#subscriptions.close();
    for (const { feed } of this.#entries.values()) feed.followers.clear();
    this.#entries.clear();
    await this.#sweep;
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.close();
  }

  #enter(tenant: Tenant): Entry {
    const feed = new TenantFeed({
      read: (seq) => this.parts.facts.read(this.#context(tenant), seq, missedMax),
      newest: () => this.parts.facts.newest(this.#context(tenant)),
      tell: (fact, source, followers) => this.#tell(fact, source, followers),
      onGone: (from, to) => this.parts.log.warn('realtime.facts_gone', { tenantId: tenant.id, from, to }),
    });
    const channel = channelOf(tenant.id);
    const entry: Entry = { tenant, channel, feed, users: 0, opened: Promise.resolve(), nextLookMs: 0, failing: false };
    entry.opened = this.#open(entry);
    this.#entries.set(channel, entry);
    this.#metrics.followed(1);
    this.#timer ??= setInterval(() => void this.#lookAtDue(), this.#blindMs).unref();
    return entry;
  }

  /** Hears first and asks for the newest number then: what comes between is above it. */
  async #open(entry: Entry): Promise<void> {
    const hears = await this.#subscriptions.add(entry.channel);
    await entry.feed.open();
    entry.nextLookMs = monotonicMs() + (hears ? this.#lookMs : this.#blindMs);
  }

  #leave(entry: Entry): void {
    entry.users -= 1;
    if (entry.users > 0 || this.#entries.get(entry.channel) !== entry) return;
    this.#entries.delete(entry.channel);
    this.#subscriptions.remove(entry.channel);
    this.#metrics.followed(-1);
    if (this.#entries.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #heard(channel: string, text: string): void {
    const entry = this.#entries.get(channel);
    if (entry?.feed.heard(factIn(text, entry.tenant.id))) void this.#look(entry);
  }

  #tell(fact: PublishedFact, source: 'live' | 'log', followers: Iterable<OnFact>): void {
    this.#metrics.told(source);
    for (const follower of followers) {
      try {
        follower(fact);
      } catch (error) {
        this.parts.log.error('realtime.follower_failed', { fact: fact.name, error });
      }
    }
  }

  #lookAtAll(): void {
    for (const entry of this.#entries.values()) entry.nextLookMs = 0;
    void this.#lookAtDue();
  }

  /** Looks after every tenant that is due, some at a time; one such sweep runs at a time. */
  async #lookAtDue(): Promise<void> {
    if (this.#sweep !== undefined) return;
    const due = this.#due();
    const visit = async () => {
      for (const entry of due) await this.#lookAfter(entry);
    };
    this.#sweep = Promise.all(Array.from({ length: looksAtOnce }, visit)).then(() => undefined);
    await this.#sweep;
    this.#sweep = undefined;
  }

  /** One iterator for all visitors; entries that become due meanwhile are among them. */
  *#due(): Generator<Entry> {
    for (const entry of this.#entries.values()) if (entry.nextLookMs <= monotonicMs()) yield entry;
  }

  /** A channel that should have brought what was found here is subscribed to anew. */
  async #lookAfter(entry: Entry): Promise<void> {
    const heard = this.#subscriptions.hears(entry.channel);
    if (!heard) await this.#subscriptions.add(entry.channel);
    const found = await this.#look(entry);
    if (found === null) return;
    if (heard && found > 0) this.#subscriptions.doubt(entry.channel);
    const hears = this.#subscriptions.hears(entry.channel);
    entry.nextLookMs = monotonicMs() + (hears ? this.#lookMs : this.#blindMs);
  }

  /** How many facts there were; null where the log could not be read. */
  async #look(entry: Entry): Promise<number | null> {
    try {
      await entry.opened;
      const found = await entry.feed.look();
      entry.failing = false;
      return found;
    } catch (error) {
      if (!entry.failing) this.parts.log.warn('realtime.look_failed', { tenantId: entry.tenant.id, error });
      entry.failing = true;
      entry.nextLookMs = monotonicMs() + this.#blindMs;
      return null;
    }
  }

  #context(tenant: Tenant): TenantContext {
    const deadline = (this.parts.clock ?? systemClock).now() + readTimeoutMs;
    return { requestId: newId(), actor: { kind: 'system', name: 'realtime' }, tenant, deadline };
  }

  get #lookMs(): number {
    return this.parts.lookEveryMs ?? lookEveryMs;
  }

  get #blindMs(): number {
    return this.parts.blindLookEveryMs ?? blindLookEveryMs;
  }
}
