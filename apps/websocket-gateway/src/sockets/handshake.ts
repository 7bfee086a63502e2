import { z } from 'zod';
import type { AccessClaims, Sessions } from '#infra/identity';
import { type Clock, type Instant, newId } from '#infra/kernel';
import type { Log } from '#infra/telemetry';
import type { GatewayConfig } from '../gateway.config.js';
import { fail } from '../gateway.errors.js';
import type { GatewayMetrics } from '../gateway.metrics.js';
import { Listener } from './listener.js';
import type { Listeners } from './listeners.js';
import type { GatewaySocket } from './protocol.js';
import { isOurs, refusalOf } from './refusal.js';

const tokenMaxChars = 2_048;
const authShape = z.object({
  token: z.string().max(tokenMaxChars),
  lastSeq: z.int().min(0).optional(),
});

interface HandshakeParts {
  readonly config: Pick<GatewayConfig, 'socketsPerUser'>;
  readonly sessions: Sessions;
  readonly listeners: Listeners;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who connects: the token in the handshake's auth, and nothing else that the client says of itself. */
export class Handshake {
  /** Between the answer to the handshake and the connection. */
  readonly #admitted = new WeakMap<GatewaySocket, Listener>();

  constructor(private readonly parts: HandshakeParts) {}

  /** A middleware of the namespace. One refusal per connection: it is closed after it. */
  readonly guard = (socket: GatewaySocket, next: (error?: Error) => void): void => {
    this.#admit(socket).then(
      (listener) => {
        this.#admitted.set(socket, listener);
        next();
      },
      (error: unknown) => {
        next(this.#refused(error));
        setImmediate(() => socket.conn.close());
      },
    );
  };

  /** The listener of a socket that was let in; once. */
  take(socket: GatewaySocket): Listener | undefined {
    const listener = this.#admitted.get(socket);
    this.#admitted.delete(socket);
    return listener;
  }

  async #admit(socket: GatewaySocket): Promise<Listener> {
    const { sessions, listeners, clock, config } = this.parts;
    const { token = '', ...rest } = socket.handshake.auth;
    socket.handshake.auth = {};
    const parsed = authShape.safeParse({ token, ...rest });
    if (!parsed.success) throw fail('socket.handshake_invalid');
    const { tenant, actor } = await sessions.authenticate(parsed.data.token);
    const listener = new Listener({
      socket,
      tenant,
      userId: actor.id,
      sessionId: actor.sessionId,
      permissions: actor.permissions,
      expiresAt: expiryOf(parsed.data.token),
      lastSeq: parsed.data.lastSeq,
      now: clock.now(),
    });
    if (listeners.countOf(listener) >= config.socketsPerUser) throw fail('socket.user_limit');
    return listener;
  }

  #refused(error: unknown): Error {
    const requestId = newId();
    const refusal = refusalOf(error, requestId);
    this.parts.metrics.refused(refusal.code);
    if (isOurs(error)) this.parts.log.error('socket.handshake_failed', { requestId, code: refusal.code, error });
    return Object.assign(new Error(refusal.detail), { data: refusal });
  }
}

/** Of a token that was verified just before. */
function expiryOf(verified: string): Instant {
  const claims = Buffer.from(verified.split('.')[1] ?? '', 'base64url').toString('utf8');
  return (JSON.parse(claims) as AccessClaims).exp * 1_000;
}
