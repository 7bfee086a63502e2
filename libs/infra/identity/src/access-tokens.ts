import type { KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Clock, newId, type SessionId, type TenantId, type UserId } from '#infra/kernel';
import {
  type AccessClaims,
  encodeAccessToken,
  hasExpired,
  type SigningKey,
  type TokenFault,
  verifyAccessToken,
} from './access-token.js';

/** About 900 bytes each. A check of a signature costs 131 µs, finding it again less than one. */
const rememberedMax = 20_000;
const endChars = 32;

export interface AccessTokenOptions {
  readonly signing: SigningKey & { readonly publicKey: KeyObject };
  /** Public keys of earlier or coming signing keys, by kid: tokens signed with them are good too. */
  readonly alsoTrusted?: ReadonlyMap<string, KeyObject>;
  readonly issuer: string;
  readonly lifetimeMs: number;
}

export interface AccessSubject {
  readonly userId: UserId;
  readonly tenantId: TenantId;
  readonly sessionId: SessionId;
  readonly permissionVersion: number;
}

/**
 * Makes and checks access tokens. A token that passed is remembered until it expires, whole: whoever reads the memory of a
 * process that signs tokens needs none of them. Revocation is checked elsewhere.
 */
export class AccessTokens {
  readonly #keys: ReadonlyMap<string, KeyObject>;
  readonly #verified = new LRUCache<string, Remembered>({ max: rememberedMax });

  constructor(
    private readonly options: AccessTokenOptions,
    private readonly clock: Clock,
  ) {
    this.#keys = new Map([...(options.alsoTrusted ?? []), [options.signing.kid, options.signing.publicKey]]);
  }

  get lifetimeMs(): number {
    return this.options.lifetimeMs;
  }

  issue(subject: AccessSubject): string {
    const iat = Math.floor(this.clock.now() / 1_000);
    const claims: AccessClaims = {
      iss: this.options.issuer,
      aud: 'api',
      sub: subject.userId,
      tid: subject.tenantId,
      sid: subject.sessionId,
      pv: subject.permissionVersion,
      iat,
      exp: iat + Math.floor(this.options.lifetimeMs / 1_000),
      jti: newId(),
    };
    return encodeAccessToken(claims, this.options.signing);
  }

  /** The claims, or why the token is not taken: for the log and metrics, never for the client. */
  verify(token: string): { readonly claims: AccessClaims } | { readonly fault: TokenFault } {
    const remembered = this.known(token);
    if (remembered !== undefined) return { claims: remembered };
    const expected = { keys: this.#keys, issuer: this.options.issuer, audience: 'api' } as const;
    const verified = verifyAccessToken(token, expected, this.clock.now());
    if ('claims' in verified) this.#verified.set(endOf(token), { token, claims: verified.claims });
    return verified;
  }

  /** The claims of a token that has passed before and is still good. */
  known(token: string): AccessClaims | undefined {
    const known = this.#verified.get(endOf(token));
    return known?.token === token && !hasExpired(known.claims, this.clock.now()) ? known.claims : undefined;
  }
}

interface Remembered {
  readonly token: string;
  readonly claims: AccessClaims;
}

/** Of its signature, which no other token shares: to look up all of it would take longer than all that is done with it. */
const endOf = (token: string): string => token.slice(-endChars);
