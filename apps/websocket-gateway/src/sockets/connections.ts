import { type Clock, isAppError } from '#infra/kernel';
import type { Log } from '#infra/telemetry';
import type { Channels } from '../facts/channels.js';
import type { GatewayConfig } from '../gateway.config.js';
import { fail } from '../gateway.errors.js';
import type { GatewayMetrics } from '../gateway.metrics.js';
import type { Presence } from '../sessions/presence.js';
import type { Commands } from './commands.js';
import type { Handshake } from './handshake.js';
import type { Listener } from './listener.js';
import type { Listeners } from './listeners.js';
import type { Answer, GatewaySocket } from './protocol.js';
import { refusalOf } from './refusal.js';

/** A client that sends this many messages after it was told to slow down is sent away. */
const refusedInARowMax = 200;

interface ConnectionsParts {
  readonly config: Pick<GatewayConfig, 'socketsPerUser'>;
  readonly handshake: Handshake;
  readonly listeners: Listeners;
  readonly channels: Channels;
  readonly presence: Presence;
  readonly commands: Commands;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** The life of a connection from its handshake to its end. */
export class Connections {
  constructor(private readonly parts: ConnectionsParts) {}

  async opened(socket: GatewaySocket): Promise<void> {
    const { handshake, listeners, channels, presence, metrics, config } = this.parts;
    const listener = handshake.take(socket);
    if (listener === undefined) {
      socket.disconnect(true);
      return;
    }
    listeners.add(listener);
    this.#hear(listener);
    if (listeners.countOf(listener) > config.socketsPerUser) return listener.end('socket.user_limit');
    metrics.accepted();
    void presence.joined(listener);
    try {
      await channels.join(listener);
    } catch (error) {
      this.#unreadable(listener, error);
    }
  }

  async closed(socket: GatewaySocket, reason: string): Promise<void> {
    const { listeners, channels, presence, metrics } = this.parts;
    const listener = listeners.remove(socket.id);
    if (listener === undefined) return;
    metrics.disconnected(listener.endedBy ?? reason);
    await Promise.all([channels.leave(listener), presence.left(listener)]);
  }

  command(socket: GatewaySocket, body: unknown): Promise<Answer> {
    const listener = this.parts.listeners.of(socket.id);
    const late = { ok: false, ...refusalOf(fail('socket.session_ended'), socket.id) } as const;
    return listener === undefined ? Promise.resolve(late) : this.parts.commands.run(listener, body);
  }

  /** Every message counts, known or not, before anything is done for it. */
  #hear(listener: Listener): void {
    const { clock } = this.parts;
    const { socket } = listener;
    socket.conn.on('heartbeat', () => {
      listener.heardAt = clock.now();
    });
    socket.use((message, next) => {
      const now = clock.now();
      listener.heardAt = now;
      if (listener.messages.take(now)) {
        listener.refusedInARow = 0;
        next();
      } else this.#tooFast(listener, message.at(-1));
    });
  }

  #tooFast(listener: Listener, ack: unknown): void {
    listener.refusedInARow += 1;
    if (listener.refusedInARow > refusedInARowMax) listener.end('socket.flooding');
    else if (typeof ack === 'function') {
      const error = fail('socket.too_fast', { retryAfterMs: listener.messages.waitMs });
      ack({ ok: false, ...refusalOf(error, listener.requestId) });
    }
  }

  #unreadable(listener: Listener, error: unknown): void {
    const { requestId, tenant } = listener;
    const code = isAppError(error) ? error.code : undefined;
    this.parts.log.error('socket.facts_unavailable', { requestId, tenantId: tenant.id, code, error });
    listener.release('socket.facts_unavailable');
  }
}
