import type { RedisConnection } from '#infra/redis';
import type { Log } from '#infra/telemetry';

type Listener = (...args: never[]) => void;

/**
 * The subscribing side of Socket.IO's sharded adapter, which waits for none of its subscriptions: here a failure is
 * handled, and a channel that is wanted is asked for again whenever the connection comes back.
 */
export class ShardedSubscriptions {
  readonly #wanted = new Set<string>();
  readonly #asked = new Set<string>();

  constructor(
    private readonly connection: RedisConnection,
    private readonly log: Log,
  ) {
    const anew = () => {
      for (const channel of this.#wanted) this.#subscribe(channel);
    };
    connection.on('ready', anew);
    // Only a cluster's connection says this: one of its nodes was lost, found or has other slots.
    connection.on('subscribersReady', anew);
  }

  /** `smessageBuffer` is what the adapter listens to. */
  on(event: string, listener: Listener): this {
    this.connection.on(event as 'end', listener as () => void);
    return this;
  }

  ssubscribe(channel: string): void {
    this.#wanted.add(channel);
    this.#subscribe(channel);
  }

  sunsubscribe(channel: string): void {
    this.#wanted.delete(channel);
    if (this.#asked.delete(channel)) this.#settle(this.connection.sunsubscribe(channel));
  }

  #subscribe(channel: string): void {
    if (this.connection.status !== 'ready') return;
    // A cluster's client keeps a list of channels and would keep this one twice.
    if (this.#asked.has(channel)) this.#settle(this.connection.sunsubscribe(channel));
    this.#asked.add(channel);
    this.#settle(this.connection.ssubscribe(channel));
  }

  #settle(asked: Promise<unknown>): void {
    asked.catch((error: unknown) => this.log.warn('socket.subscription_failed', { error }));
  }
}
