import type { Instant, SessionId, Tenant, TenantContext, UserId } from '#infra/kernel';
import { newId } from '#infra/kernel';
import type { PublishedFact, Room } from '#infra/queues';
import { fail, type GatewayCode } from '../gateway.errors.js';
import type { Outflow } from './outflow.js';
import type { GatewaySocket } from './protocol.js';
import { TokenBucket } from './token-bucket.js';

const messagesPerSecond = 20;
const messagesBurst = 40;

/**
 * How facts reach a connection. `catching_up`: what it missed is being read, what happens meanwhile waits. `ahead`: it
 * has seen more than this process, which skips that. `live`: at once. `lagging`: it reads too slowly, and only the newest
 * fact of each topic is kept.
 */
export type Reception =
  | { readonly kind: 'catching_up'; readonly facts: PublishedFact[]; isWhole: boolean }
  | { readonly kind: 'ahead'; readonly seen: number }
  | { readonly kind: 'live' }
  | { readonly kind: 'lagging'; readonly newest: Map<string, PublishedFact>; outflow: Outflow; progressAt: Instant }
  | { readonly kind: 'gone' };

export const live: Reception = { kind: 'live' };
export const gone: Reception = { kind: 'gone' };
const nothing: ReadonlyMap<string, Room> = new Map();

interface ListenerWords {
  readonly socket: GatewaySocket;
  readonly tenant: Tenant;
  readonly userId: UserId;
  readonly sessionId: SessionId;
  readonly permissions: ReadonlySet<string>;
  readonly expiresAt: Instant;
  readonly lastSeq: number | undefined;
  readonly now: Instant;
}

/** One authenticated connection: who listens, to what, until when. All of it is from what identity stored. */
export class Listener {
  readonly socket: GatewaySocket;
  readonly tenant: Tenant;
  readonly userId: UserId;
  readonly sessionId: SessionId;
  readonly connectedAt: Instant;
  readonly requestId: string = newId();
  readonly messages: TokenBucket;
  readonly lastSeq: number | undefined;
  permissions: ReadonlySet<string>;
  /** Of the token. */
  expiresAt: Instant;
  /** When the client last gave a sign of life. */
  heardAt: Instant;
  /** Everything of the tenant that the permissions allow; else only what is followed. */
  isWide = true;
  /** Locations and appointments, by their key. */
  followed: ReadonlyMap<string, Room> = nothing;
  /** Names under which the tenant's facts find it. */
  rooms: readonly string[] = [];
  reception: Reception = { kind: 'catching_up', facts: [], isWhole: true };
  /** Messages refused since the last one that was not. */
  refusedInARow = 0;
  #endedBy: GatewayCode | undefined;
  #commands = 0;

  constructor({ socket, tenant, userId, sessionId, permissions, expiresAt, lastSeq, now }: ListenerWords) {
    this.socket = socket;
    this.tenant = tenant;
    this.userId = userId;
    this.sessionId = sessionId;
    this.permissions = permissions;
    this.expiresAt = expiresAt;
    this.lastSeq = lastSeq;
    this.connectedAt = now;
    this.heardAt = now;
    this.messages = new TokenBucket(messagesPerSecond, messagesBurst, now);
  }

  get endedBy(): GatewayCode | undefined {
    return this.#endedBy;
  }

  /** The context of one command. */
  context(deadline: Instant): TenantContext {
    this.#commands += 1;
    const { userId: id, sessionId, permissions, tenant } = this;
    return {
      requestId: `${this.requestId}.${this.#commands.toString(36)}`,
      actor: { kind: 'user', id, sessionId, permissions },
      tenant,
      deadline,
    };
  }

  /** Says why and closes for good: the client does not come back by itself. */
  end(code: GatewayCode): void {
    if (this.#farewell(code)) this.socket.disconnect(true);
  }

  /** Says why and closes the transport alone: the client connects again by itself, after a time of its own choice. */
  release(code: GatewayCode): void {
    if (this.#farewell(code)) this.socket.conn.close();
  }

  /** Why, where no word gets through any more. */
  endUnheard(code: GatewayCode): void {
    this.#endedBy ??= code;
  }

  #farewell(code: GatewayCode): boolean {
    if (this.#endedBy !== undefined) return false;
    this.#endedBy = code;
    this.socket.emit('ended', { code, detail: fail.table[code].public });
    return true;
  }
}
