import {
  type Context,
  newId,
  type SessionId,
  type Tenant,
  type TenantContext,
  type UserActor,
  type UserId,
} from '#infra/kernel';
import type { TenantEntry, WriteContext } from '#infra/sharding';
import type { AccessClaims } from './access-token.js';
import { fail } from './identity.errors.js';
import type { RefreshResult } from './identity.metrics.js';
import type { IdentityParts } from './identity.parts.js';
import { type Credentials, type Grant, Login, type LoginGrant } from './login.js';
import { judgeRefresh, readRefreshToken, refreshDigest, successorOf, writeRefreshToken } from './refresh-token.js';
import { isAlive, isUseNews, type Session, type SessionEnd } from './session.js';
import { type EndedSession, type RefreshState, SessionsRepository } from './sessions.repository.js';
import type { KnownStanding, Standing } from './standings.js';
import { inTenant, tenantById } from './tenancy.js';
import { UsersRepository } from './users.repository.js';

export interface Authenticated {
  readonly tenant: Tenant;
  readonly actor: UserActor;
}

/** Whom a token spoke for, and what that rests upon. */
interface Known {
  readonly who: Authenticated;
  readonly entry: TenantEntry;
  readonly held: KnownStanding;
}

type Refreshed = { readonly result: 'rotated' | 'repeated'; readonly state: RefreshState };
type NotRefreshed = { readonly result: 'theft' | 'ended' };

/** Logins and what becomes of them. A session is one login on one device; its tokens come and go. */
export class Sessions {
  readonly #rows = new SessionsRepository();
  readonly #users = new UsersRepository();
  readonly #login: Login;
  /** Of each token that is remembered. */
  readonly #lastKnown = new WeakMap<AccessClaims, Known>();

  constructor(private readonly parts: IdentityParts) {
    this.#login = new Login(parts);
  }

  /** Throws credentials.wrong, login.locked, login.busy or tenant.suspended. */
  login(ctx: Context, credentials: Credentials): Promise<LoginGrant> {
    return this.#login.run(ctx, credentials);
  }

  /**
   * Who a bearer token speaks for. The signature is checked once per token and process; whether session and user still
   * stand, and what the user may do, is never older than a second.
   */
  async authenticate(bearer: string): Promise<Authenticated> {
    const { tokens, sharding, standings, metrics } = this.parts;
    const verified = tokens.verify(bearer);
    if ('fault' in verified) {
      metrics.refusedToken(verified.fault);
      throw fail('token.invalid', { internal: `access token refused: ${verified.fault}` });
    }
    const { tid, sid, pv } = verified.claims;
    const entry = await tenantById(sharding, tid);
    if (entry === null) throw fail('session.ended', { internal: 'the tenant of this session is gone' });
    if (entry.state === 'suspended') throw fail('tenant.suspended');
    const standing = await standings.of({ id: entry.id, plan: entry.plan }, sid, pv);
    return this.#judged(verified.claims, entry, standing) ?? raise(fail('session.ended'));
  }

  /**
   * As `authenticate`, for whoever this process has just seen: the same object for as long as nothing about them is read anew.
   * Everybody else is undefined, which refuses nobody.
   */
  known(bearer: string): Authenticated | undefined {
    const { tokens, sharding, standings, clock } = this.parts;
    const claims = tokens.known(bearer);
    const entry = claims === undefined ? undefined : sharding.tenants.known(claims.tid);
    if (claims === undefined || entry === undefined || entry.state === 'suspended') return undefined;
    const last = this.#lastKnown.get(claims);
    const isSame = last?.entry === entry && standings.isFresh(last.held);
    if (isSame && isAlive(last.held.found.session, clock.now())) return last.who;
    const held = standings.known(entry.id, claims.sid, claims.pv);
    const who = held && this.#judged(claims, entry, held.found);
    if (who) this.#lastKnown.set(claims, { who, entry, held });
    return who;
  }

  #judged({ sub, sid }: AccessClaims, { id, plan }: TenantEntry, standing: Standing | null): Authenticated | undefined {
    if (standing?.status !== 'active' || standing.session.userId !== sub) return undefined;
    if (!isAlive(standing.session, this.parts.clock.now())) return undefined;
    const actor: UserActor = { kind: 'user', id: sub, sessionId: sid, permissions: standing.permissions };
    return { tenant: { id, plan }, actor };
  }

  /** A new pair of tokens. Throws refresh_token.invalid, refresh_token.reused or session.ended. */
  async refresh(ctx: Context, text: string): Promise<Grant> {
    const { keys, sharding, tokens } = this.parts;
    const presented = readRefreshToken(text, keys.refresh);
    const entry = presented === null ? null : await tenantById(sharding, presented.tenantId);
    if (presented === null || entry === null) throw this.#refused('invalid');
    const successor = successorOf(presented, keys.refresh);
    const outcome = await this.#advance(inTenant(ctx, entry), presented.sessionId, {
      presented: refreshDigest(presented),
      successor: refreshDigest(successor),
    });
    if (!('state' in outcome)) throw this.#refused(outcome.result);
    this.parts.metrics.refresh(outcome.result);
    const { session, permissionVersion } = outcome.state;
    const subject = { userId: session.userId, tenantId: entry.id, sessionId: session.id, permissionVersion };
    return {
      accessToken: tokens.issue(subject),
      expiresInS: Math.floor(tokens.lifetimeMs / 1_000),
      refreshToken: writeRefreshToken(successor, keys.refresh),
    };
  }

  /** Ends the session that asks. */
  async logout(ctx: TenantContext): Promise<void> {
    const actor = userOf(ctx);
    await this.#end(ctx, actor.id, actor.sessionId, 'logout', 'session.logout');
  }

  /** The open sessions of the user who asks, newest first; 100 at most. */
  listOwn(ctx: TenantContext): Promise<Session[]> {
    return this.list(ctx, userOf(ctx).id);
  }

  /** Throws user.unknown. */
  async list(ctx: TenantContext, userId: UserId): Promise<Session[]> {
    const { sharding, audit, clock } = this.parts;
    const now = clock.now();
    const sessions = await sharding.directory.read(ctx, async (tx) => {
      const [user, open] = await Promise.all([this.#users.byId(tx, userId), this.#rows.openOf(tx, userId, now)]);
      if (user === null) throw fail('user.unknown');
      return open;
    });
    await audit.recordRead(ctx, { action: 'session.read', resourceType: 'user', resourceId: userId }, 'directory');
    return sessions.filter((session) => isAlive(session, now));
  }

  revokeOwn(ctx: TenantContext, sessionId: SessionId): Promise<void> {
    return this.revoke(ctx, userOf(ctx).id, sessionId);
  }

  /** Throws session.unknown where this user has no such open session. */
  async revoke(ctx: TenantContext, userId: UserId, sessionId: SessionId): Promise<void> {
    const ended = await this.#end(ctx, userId, sessionId, 'revoked', 'session.revoke');
    if (ended === null) throw fail('session.unknown');
  }

  /** In the transaction that makes the user's sessions worthless. Other processes notice within a second. */
  async endAll(tx: WriteContext, userId: UserId, by: SessionEnd): Promise<void> {
    const ended = await this.#rows.endAll(tx, userId, by, this.parts.clock.now());
    tx.afterCommit(() => {
      for (const session of ended) this.#gone(tx, session, by);
    });
  }

  async #end(
    ctx: TenantContext,
    userId: UserId,
    sessionId: SessionId,
    by: SessionEnd,
    action: string,
  ): Promise<EndedSession | null> {
    const { sharding, audit, clock } = this.parts;
    return sharding.directory.write(ctx, async (tx) => {
      const ended = await this.#rows.end(tx, userId, sessionId, by, clock.now());
      if (ended === null) return null;
      await audit.record(tx, { action, resourceType: 'session', resourceId: sessionId, subjectIds: [userId] });
      tx.afterCommit(() => this.#gone(tx, ended, by));
      return ended;
    });
  }

  #gone({ tenant }: TenantContext, { id, createdAt }: EndedSession, by: SessionEnd): void {
    this.parts.standings.forget(tenant.id, id);
    this.parts.metrics.sessionEnded(by, this.parts.clock.now() - createdAt);
  }

  /** The verdict on a presented token, and what follows from it, under a lock on the session. */
  #advance(
    ctx: TenantContext,
    id: SessionId,
    { presented, successor }: { readonly presented: Buffer; readonly successor: Buffer },
  ): Promise<Refreshed | NotRefreshed> {
    const now = this.parts.clock.now();
    return this.parts.sharding.directory.write(ctx, async (tx): Promise<Refreshed | NotRefreshed> => {
      const state = await this.#rows.lockForRefresh(tx, id);
      if (state?.status !== 'active' || !isAlive(state.session, now)) return { result: 'ended' };
      switch (judgeRefresh(state.family, presented)) {
        case 'rotate':
          this.#rows.rotate(tx, id, { issued: successor, used: presented });
          return { result: 'rotated', state };
        case 'repeat':
          return { result: 'repeated', state };
        case 'theft':
          await this.#endStolen(tx, state.session);
          return { result: 'theft' };
      }
    });
  }

  async #endStolen(tx: WriteContext, session: Session): Promise<void> {
    const ended = await this.#rows.end(tx, session.userId, session.id, 'token_reuse', this.parts.clock.now());
    await this.parts.audit.record(tx, {
      action: 'token.reuse',
      resourceType: 'session',
      resourceId: session.id,
      subjectIds: [session.userId],
      outcome: 'denied',
    });
    if (ended !== null) tx.afterCommit(() => this.#gone(tx, ended, 'token_reuse'));
  }

  #refused(result: Exclude<RefreshResult, 'rotated' | 'repeated'>) {
    this.parts.metrics.refresh(result);
    if (result === 'theft') return fail('refresh_token.reused');
    return result === 'ended' ? fail('session.ended') : fail('refresh_token.invalid');
  }
}

function raise(error: Error): never {
  throw error;
}

function userOf({ actor }: Context): UserActor {
  if (actor.kind !== 'user') throw fail('token.invalid', { internal: 'this verb needs a user' });
  return actor;
}

/** How long the look-up behind an authentication may take, whoever waits for it. */
const standingDeadlineMs = 5_000;

/** Reads a standing from the directory and writes down, once a minute, that the session is in use. */
export function standingLoader({ sharding, clock }: Pick<IdentityParts, 'sharding' | 'clock'>) {
  const rows = new SessionsRepository();
  return async (tenant: Tenant, id: SessionId) => {
    const now = clock.now();
    const actor = { kind: 'system', name: 'identity.authenticate' } as const;
    const ctx: TenantContext = { requestId: newId(), actor, tenant, deadline: now + standingDeadlineMs };
    const standing = await sharding.directory.read(ctx, (tx) => rows.standing(tx, id, now));
    if (standing !== null && standing.status === 'active' && isUseNews(standing.session, now))
      await sharding.directory.write(ctx, (tx) => rows.seen(tx, id, now));
    return standing;
  };
}
