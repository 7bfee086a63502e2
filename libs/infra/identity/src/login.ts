import { type Context, newId, type SessionId, type TenantContext, type UserActor } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import { type EmailTokens, emailTokens } from './email-index.js';
import { fail } from './identity.errors.js';
import type { IdentityParts } from './identity.parts.js';
import { isSuspicious, reserveAttempt } from './lockout.js';
import { LoginAttemptsRepository } from './login-attempts.repository.js';
import { openProfile } from './profiles.js';
import { firstRefreshToken, type RefreshToken, refreshDigest, writeRefreshToken } from './refresh-token.js';
import { permissionsOf, type Role } from './roles.js';
import type { Session } from './session.js';
import { type EndedSession, SessionsRepository } from './sessions.repository.js';
import { inTenant, tenantBySlug } from './tenancy.js';
import { type UserRow, UsersRepository } from './users.repository.js';

export interface Credentials {
  /** The tenant's slug. */
  readonly tenant: string;
  readonly email: string;
  readonly password: string;
  /** What a solved challenge gave to the client, where one was asked for. */
  readonly challengeToken?: string | undefined;
}

/** What a login or a refresh gives the client. */
export interface Grant {
  readonly accessToken: string;
  readonly expiresInS: number;
  readonly refreshToken: string;
}

export interface LoginGrant extends Grant {
  readonly sessionId: SessionId;
  readonly user: {
    readonly id: UserRow['id'];
    readonly displayName: string;
    readonly roles: readonly Role[];
    readonly permissions: readonly string[];
  };
}

/** What became of an attempt before the password was looked at. */
type Attempted =
  | { readonly kind: 'taken' | 'suspicious'; readonly candidate: UserRow | null }
  | { readonly kind: 'locked'; readonly retryAfterMs: number };

interface Opened {
  readonly session: Session;
  readonly user: UserRow;
  readonly roles: readonly Role[];
  readonly displaced: readonly EndedSession[];
}

/**
 * Password in, session out. An unknown tenant, address or password, an invited or disabled user: all get the same
 * answer after the same work.
 */
export class Login {
  readonly #users = new UsersRepository();
  readonly #sessions = new SessionsRepository();
  readonly #attempts = new LoginAttemptsRepository();

  constructor(private readonly parts: IdentityParts) {}

  async run(ctx: Context, { tenant: slug, email, password, challengeToken }: Credentials): Promise<LoginGrant> {
    const { passwords, sharding, metrics } = this.parts;
    const entry = await tenantBySlug(sharding, slug);
    if (entry === null) return this.#refuseNobody(password);
    const asked = inTenant(ctx, entry);
    const tokens = await emailTokens(this.parts.crypto, entry.id, email);
    const candidate = await this.#reserve(asked, tokens, challengeToken);
    const stored = candidate?.status === 'active' ? candidate.passwordHash : null;
    const matches = await passwords.matches(stored, password);
    const opened = matches && candidate !== null ? await this.#open(asked, tokens, candidate, password) : null;
    if (opened === null) return this.#refuse(asked, candidate);
    for (const ended of opened.displaced) metrics.sessionEnded('displaced', this.parts.clock.now() - ended.createdAt);
    metrics.login('success');
    return this.#grant(asked, opened);
  }

  async #refuseNobody(password: string): Promise<never> {
    await this.parts.passwords.matches(null, password);
    this.parts.metrics.login('failure');
    throw fail('credentials.wrong');
  }

  async #refuse(ctx: TenantContext, candidate: UserRow | null): Promise<never> {
    await this.parts.sharding.directory.write(ctx, (tx) => this.#audit(tx, 'failure', candidate));
    this.parts.metrics.login('failure');
    throw fail('credentials.wrong');
  }

  /** Takes an attempt before the password is looked at; who the address belongs to, if anybody. */
  async #reserve(ctx: TenantContext, tokens: EmailTokens, challengeToken?: string): Promise<UserRow | null> {
    const { challenges, metrics } = this.parts;
    let attempted = await this.#attempt(ctx, tokens, challenges.challenge !== null);
    if (attempted.kind === 'suspicious') {
      await this.#challenge(ctx, attempted.candidate, challengeToken);
      attempted = await this.#attempt(ctx, tokens, false);
    }
    if (attempted.kind !== 'locked') return attempted.candidate;
    metrics.login('locked');
    throw fail('login.locked', { retryAfterMs: attempted.retryAfterMs });
  }

  #attempt(ctx: TenantContext, tokens: EmailTokens, challenges: boolean): Promise<Attempted> {
    const now = this.parts.clock.now();
    return this.parts.sharding.directory.write(ctx, async (tx) => {
      const [before, candidate] = await Promise.all([
        this.#attempts.lock(tx, tokens.current, now),
        this.#users.byEmail(tx, tokens.all),
      ]);
      const reservation = reserveAttempt(before, now);
      if (!reservation.granted) {
        await this.#audit(tx, 'denied', candidate);
        return { kind: 'locked', retryAfterMs: reservation.retryAfterMs };
      }
      if (challenges && isSuspicious(before, now)) return { kind: 'suspicious', candidate };
      this.#attempts.save(tx, tokens.current, reservation.attempts);
      return { kind: 'taken', candidate };
    });
  }

  /**
   * Costs no attempt, for no password is looked at. Where nobody can judge the token the attempt goes on: the lock-out bounds
   * guesses by itself, and somebody else's outage must not keep a clinic out.
   */
  async #challenge(ctx: TenantContext, candidate: UserRow | null, token: string | undefined): Promise<void> {
    const { challenges, metrics, sharding } = this.parts;
    const verdict = token === undefined ? 'demanded' : await challenges.judge(token);
    metrics.challenge(verdict);
    if (verdict === 'passed' || verdict === 'away') return;
    await sharding.directory.write(ctx, (tx) => this.#audit(tx, 'denied', candidate));
    const code = verdict === 'demanded' ? 'auth.challenge_required' : 'auth.challenge_failed';
    throw fail(code, { extra: { challenge: challenges.challenge } });
  }

  /** Null where the user was disabled, or got another password, since the candidate was read. */
  async #open(
    ctx: TenantContext,
    tokens: EmailTokens,
    candidate: UserRow,
    password: string,
  ): Promise<(Opened & { readonly first: RefreshToken }) | null> {
    const { clock, config, passwords } = this.parts;
    const known = candidate.passwordHash ?? '';
    const passwordHash = passwords.isOutdated(known) ? await passwords.hash(password) : known;
    const now = clock.now();
    const session = this.#newSession(candidate.id, now);
    const first = firstRefreshToken(ctx.tenant.id, session.id);
    return this.parts.sharding.directory.write(ctx, async (tx) => {
      const user = await this.#users.lock(tx, candidate.id);
      if (user?.status !== 'active' || user.passwordHash !== candidate.passwordHash) return null;
      const roles = await this.#users.rolesOf(tx, user.id, now);
      this.#attempts.forget(tx, tokens.all);
      this.#users.loggedIn(tx, user.id, passwordHash, now);
      this.#sessions.insert(tx, session, refreshDigest(first));
      const displaced = await this.#sessions.endBeyond(tx, user.id, config.sessionsPerUser, now);
      const actor = actorOf(session, roles);
      await this.#audit({ ...tx, actor }, 'success', user);
      return { session, user, roles, displaced, first };
    });
  }

  #newSession(userId: UserRow['id'], now: number): Session {
    const { sessionMaxMs, sessionIdleMs } = this.parts.config;
    return {
      id: newId<SessionId>(),
      userId,
      createdAt: now,
      lastSeenAt: now,
      expiresAt: now + sessionMaxMs,
      idleMs: sessionIdleMs,
      revokedAt: null,
    };
  }

  async #grant(ctx: TenantContext, { session, user, roles, first }: Opened & { first: RefreshToken }) {
    const { crypto, tokens, keys } = this.parts;
    const { displayName } = await openProfile(crypto, ctx.tenant.id, user);
    const accessToken = tokens.issue({
      userId: user.id,
      tenantId: ctx.tenant.id,
      sessionId: session.id,
      permissionVersion: user.permissionVersion,
    });
    return {
      accessToken,
      expiresInS: Math.floor(tokens.lifetimeMs / 1_000),
      refreshToken: writeRefreshToken(first, keys.refresh),
      sessionId: session.id,
      user: { id: user.id, displayName, roles, permissions: [...permissionsOf(roles)].sort() },
    };
  }

  #audit(tx: WriteContext, outcome: 'success' | 'failure' | 'denied', user: UserRow | null): Promise<void> {
    return this.parts.audit.record(tx, {
      action: 'session.login',
      resourceType: 'user',
      outcome,
      ...(user === null ? {} : { resourceId: user.id }),
    });
  }
}

const actorOf = (session: Session, roles: readonly Role[]): UserActor => ({
  kind: 'user',
  id: session.userId,
  sessionId: session.id,
  permissions: permissionsOf(roles),
});
