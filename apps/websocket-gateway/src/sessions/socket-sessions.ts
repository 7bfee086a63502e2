import { Secret } from '#infra/config';
import { Ed25519Key } from '#infra/crypto';
import { type AccessClaims, AccessTokens, type IdentityConfig } from '#infra/identity';
import { type Clock, newId, type SessionId, type Tenant, type TenantContext } from '#infra/kernel';
import type { Sharding } from '#infra/sharding';
import { fail } from '../gateway.errors.js';
import { type Standing, StandingsRepository } from './standings.repository.js';

const readDeadlineMs = 5_000;

interface SocketSessionsParts {
  readonly sharding: Sharding;
  readonly identity: IdentityConfig;
  readonly clock: Clock;
}

/** Sessions as connections ask for them: looked at, never used. */
export class SocketSessions {
  readonly #rows = new StandingsRepository();
  readonly #tokens: AccessTokens;

  constructor(private readonly parts: SocketSessionsParts) {
    const { identity, clock } = parts;
    this.#tokens = new AccessTokens(
      {
        signing: signingKeyOf(identity.signingKey),
        alsoTrusted: new Map(identity.trustedKeys.map(({ kid, publicKey }) => [kid, publicKey])),
        issuer: identity.issuer,
        lifetimeMs: identity.accessTtlMs,
      },
      clock,
    );
  }

  /** What a token says; throws socket.token_refused. Whether its session still stands is another question. */
  claimsOf(token: string): AccessClaims {
    const verified = this.#tokens.verify(token);
    if ('fault' in verified)
      throw fail('socket.token_refused', { internal: `access token refused: ${verified.fault}` });
    return verified.claims;
  }

  /** Those that still stand. */
  alive(tenant: Tenant, ids: readonly SessionId[]): Promise<ReadonlyMap<SessionId, Standing>> {
    const now = this.parts.clock.now();
    const ctx: TenantContext = {
      requestId: newId(),
      actor: { kind: 'system', name: 'websocket-gateway' },
      tenant,
      deadline: now + readDeadlineMs,
    };
    return this.parts.sharding.directory.read(ctx, (tx) => this.#rows.alive(tx, ids, now));
  }

  /** Known for at most a minute. */
  async isSuspended({ id }: Tenant): Promise<boolean> {
    return (await this.parts.sharding.tenants.byId(id)).state === 'suspended';
  }
}

/** Container secrets carry a PEM as one line of base64. */
function signingKeyOf(given: Secret): Ed25519Key {
  const decoded = Buffer.from(given.reveal(), 'base64').toString('utf8');
  return Ed25519Key.fromSecret(decoded.startsWith('-----BEGIN') ? new Secret(decoded) : given);
}
