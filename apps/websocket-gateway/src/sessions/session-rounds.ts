import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionId, Tenant, TenantId } from '#infra/kernel';
import type { Log } from '#infra/telemetry';
import type { Channels } from '../facts/channels.js';
import type { TenantChannel } from '../facts/tenant-channel.js';
import type { GatewayConfig } from '../gateway.config.js';
import type { Listener } from '../sockets/listener.js';
import type { GatewayServer, SessionEnd } from '../sockets/protocol.js';
import type { Presence } from './presence.js';
import type { SocketSessions } from './socket-sessions.js';
import type { Standing } from './standings.repository.js';

/** Sessions asked for in one statement. */
const idsAtOnce = 500;
/** Tenants are visited no faster than this: at most 500 a second, so that 12,000 of them take 24 s. */
const betweenTenantsMs = 2;
/** With nobody connected the round waits this long before it looks again. */
const idleMs = 500;

interface SessionRoundsParts {
  readonly config: Pick<GatewayConfig, 'sessionCheckMs'>;
  readonly channels: Channels;
  readonly sessions: SocketSessions;
  readonly presence: Presence;
  readonly server: () => GatewayServer;
  readonly log: Log;
}

/**
 * Visits every tenant with connections here once per `sessionCheckMs`, evenly spread: connections whose session has
 * ended are closed, on every gateway; permissions that changed are applied; presence is renewed. While the directory is
 * away nothing is closed, and the token's expiry is what ends a connection.
 */
export class SessionRounds {
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #isFailing = false;

  constructor(private readonly parts: SessionRoundsParts) {}

  start(): void {
    this.parts.server().on('session_ended', (end) => this.#endHere(end));
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { channels, config } = this.parts;
    while (!signal.aborted) {
      const tenants = [...channels.all()];
      const gapMs = Math.max(betweenTenantsMs, config.sessionCheckMs / Math.max(1, tenants.length));
      for (const [, channel] of tenants) {
        await pause(gapMs, signal);
        if (signal.aborted) return;
        await this.#visit(channel);
      }
      if (tenants.length === 0) await pause(idleMs, signal);
    }
  }

  async #visit(channel: TenantChannel): Promise<void> {
    const [first] = channel.listeners;
    if (first === undefined) return;
    try {
      await this.#check(channel, first.tenant);
      await this.parts.presence.seen(first.tenant.id, channel.listeners);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.parts.log.warn('session.check_failed', { error });
      this.#isFailing = true;
    }
  }

  async #check(channel: TenantChannel, tenant: Tenant): Promise<void> {
    if (await this.parts.sessions.isSuspended(tenant)) {
      for (const listener of [...channel.listeners]) listener.end('socket.tenant_suspended');
      return;
    }
    const asked = [...channel.listeners];
    const ids = [...new Set(asked.map(({ sessionId }) => sessionId))];
    const alive = new Map<SessionId, Standing>();
    for (let at = 0; at < ids.length; at += idsAtOnce)
      for (const entry of await this.parts.sessions.alive(tenant, ids.slice(at, at + idsAtOnce))) alive.set(...entry);
    for (const listener of asked) this.#apply(channel, listener, alive.get(listener.sessionId));
    for (const id of ids) if (!alive.has(id)) this.#endElsewhere(tenant.id, id);
  }

  #apply(channel: TenantChannel, listener: Listener, standing: Standing | undefined): void {
    if (listener.reception.kind === 'gone') return;
    if (standing?.userId !== listener.userId) listener.end('socket.session_ended');
    else if (standing.permissions !== listener.permissions) {
      listener.permissions = standing.permissions;
      channel.place(listener);
    }
  }

  #endElsewhere(tenantId: TenantId, sessionId: SessionId): void {
    this.parts.server().serverSideEmit('session_ended', { tenantId, sessionId });
  }

  #endHere({ tenantId, sessionId }: SessionEnd): void {
    for (const [id, channel] of this.parts.channels.all())
      if (id === tenantId)
        for (const listener of [...channel.listeners])
          if (listener.sessionId === sessionId) listener.end('socket.session_ended');
  }
}

/** Ends early, and quietly, when the process stops. */
const pause = (ms: number, signal: AbortSignal): Promise<unknown> =>
  sleep(ms, undefined, { signal }).catch(() => undefined);
