import type { Clock } from '#infra/kernel';
import type { Log } from '#infra/telemetry';
import type { Channels } from '../facts/channels.js';
import type { Listener } from './listener.js';
import type { Listeners } from './listeners.js';
import { cut } from './outflow.js';

const lookEveryMs = 250;

interface WatchParts {
  readonly listeners: Listeners;
  readonly channels: Channels;
  readonly clock: Clock;
  readonly log: Log;
}

/** One timer for all connections: ends those whose token has expired, and minds those that read too slowly. */
export class ConnectionWatch {
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly parts: WatchParts) {}

  start(): void {
    this.#timer ??= setInterval(() => this.#look(), lookEveryMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { listeners, channels, clock } = this.parts;
    const now = clock.now();
    for (const listener of listeners.all()) {
      if (now >= listener.expiresAt) listener.end('socket.token_expired');
      else if (channels.of(listener)?.look(listener, now) === false) this.#drop(listener);
    }
  }

  /** Nothing that is said would arrive behind what waits already. */
  #drop(listener: Listener): void {
    const { tenant, requestId } = listener;
    this.parts.log.warn('socket.slow_consumer', { requestId, tenantId: tenant.id });
    listener.endUnheard('socket.slow_consumer');
    cut(listener.socket);
  }
}
