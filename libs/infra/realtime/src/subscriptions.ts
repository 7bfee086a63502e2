import type { RedisConnection, RedisConnections } from '#infra/redis';

interface SubscriptionsParts {
  readonly onMessage: (channel: string, text: string) => void;
  /** The connection, or a part of it, came up (again): what was said meanwhile was not heard, and nothing is heard yet. */
  readonly onReady: () => void;
}

/** While it is in one of these states nothing that is asked now will be answered soon. */
const away: ReadonlySet<string> = new Set(['close', 'reconnecting', 'disconnecting', 'end']);

/** Sharded channels over one connection of their own, on one Redis or on a cluster. */
export class Subscriptions {
  readonly #asked = new Set<string>();
  readonly #heard = new Set<string>();
  #connection: RedisConnection | undefined;

  constructor(
    private readonly redis: RedisConnections,
    private readonly parts: SubscriptionsParts,
  ) {}

  hears(channel: string): boolean {
    return this.#heard.has(channel);
  }

  /** True when the server has confirmed it. Asked again, it subscribes anew. */
  async add(channel: string): Promise<boolean> {
    const connection = this.#open();
    if (away.has(connection.status)) return false;
    // A cluster's client keeps a list of channels and would keep this one twice.
    if (this.#asked.has(channel)) connection.sunsubscribe(channel).catch(() => undefined);
    this.#asked.add(channel);
    try {
      await connection.ssubscribe(channel);
    } catch {
      // Redis is away; the feed asks again and looks into the log meanwhile.
      return false;
    }
    if (this.#asked.has(channel)) this.#heard.add(channel);
    return true;
  }

  remove(channel: string): void {
    this.#heard.delete(channel);
    if (this.#asked.delete(channel)) this.#connection?.sunsubscribe(channel).catch(() => undefined);
  }

  /** The channel is not trusted any more: somebody knows of a message that it did not bring. */
  doubt(channel: string): void {
    this.#heard.delete(channel);
  }

  close(): void {
    this.#asked.clear();
    this.#heard.clear();
    this.#connection?.disconnect();
  }

  #open(): RedisConnection {
    if (this.#connection) return this.#connection;
    const connection = this.redis.open('realtime');
    const anew = () => {
      this.#heard.clear();
      this.parts.onReady();
    };
    connection.on('smessage', this.parts.onMessage);
    connection.on('ready', anew);
    // Only a cluster's connection says this: one of its nodes was lost, found or has other slots.
    connection.on('subscribersReady', anew);
    connection.on('close', () => this.#heard.clear());
    this.#connection = connection;
    return connection;
  }
}
