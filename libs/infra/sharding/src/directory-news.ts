import { isId, type TenantId } from '#infra/kernel';
import type { RedisConnection, RedisConnections } from '#infra/redis';

const name = 'd1:tenant';
const messageMaxChars = 200;
const againMs = 1_000;
/** What is told first may come before the connection does. */
const connectMs = 500;

/** A tenant whose place, state or plan has changed, and the epoch at which it is served since. */
export interface TenantChange {
  readonly tenant: TenantId;
  readonly epoch: number;
}

export interface DirectoryListener {
  /** This tenant is not as it was. */
  changed(change: TenantChange): void;
  /** Nobody can tell what was missed. */
  missed(): void;
}

/**
 * Tells every process which entry of the directory has changed: which, never what it says. Only a saved trip hangs on it.
 * What is missed while Redis is away is made up for by dropping everything on reconnection, what is lost on the way by
 * the entries' time to live, and the fence on the shard refuses a stale one in any case.
 */
export class DirectoryNews {
  #subscriber: RedisConnection | undefined;
  #again: NodeJS.Timeout | undefined;

  constructor(private readonly redis: RedisConnections) {}

  start(listener: DirectoryListener): void {
    if (this.#subscriber !== undefined) return;
    const subscriber = this.redis.open('cache');
    this.#subscriber = subscriber;
    subscriber.on('message', (_channel: string, text: string) => {
      const change = read(text);
      if (change !== undefined) listener.changed(change);
    });
    subscriber.on('ready', () => void this.#subscribe(subscriber, listener));
  }

  stop(): void {
    clearTimeout(this.#again);
    this.#subscriber?.disconnect();
  }

  /** Never throws: it may be lost. */
  async tell({ tenant, epoch }: TenantChange): Promise<void> {
    try {
      await this.redis.ready('cache', connectMs);
      await this.redis.get('cache').publish(this.#channel, JSON.stringify({ tenant, epoch }));
    } catch {
      // Redis is away: the entries' time to live and the fence remain.
    }
  }

  get #channel(): string {
    return this.redis.channel('cache', name);
  }

  /** What was kept before this moment may be from before a change that nobody told. */
  async #subscribe(subscriber: RedisConnection, listener: DirectoryListener): Promise<void> {
    try {
      await subscriber.subscribe(this.#channel);
    } catch {
      clearTimeout(this.#again);
      this.#again = setTimeout(() => void this.#subscribe(subscriber, listener), againMs);
      this.#again.unref();
    } finally {
      listener.missed();
    }
  }
}

function read(text: string): TenantChange | undefined {
  if (text.length > messageMaxChars) return undefined;
  try {
    const { tenant, epoch } = JSON.parse(text) as Partial<TenantChange>;
    return typeof tenant === 'string' && isId(tenant) && typeof epoch === 'number' ? { tenant, epoch } : undefined;
  } catch {
    return undefined;
  }
}
