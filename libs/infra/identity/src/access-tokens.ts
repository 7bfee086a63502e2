import type { KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Clock, newId, type SessionId, type TenantId, type UserId } from '#infra/kernel';
import {
  type AccessClaims,
  encodeAccessToken,
  hasExpired,
  type SigningKey,
  signatureDigest,
  type TokenFault,
  verifyAccessToken,
} from './access-token.js';

/** About 900 bytes each. A check of a signature costs 131 µs, finding it again 2 µs. */
export const rememberedMax = 20_000;

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

/** Makes and checks access tokens. A token that passed is remembered until it expires; revocation is checked elsewhere. */
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
    const { signed, digest } = partsOf(token);
    if ('claims' in verified) this.#verified.set(digest, { signed, claims: verified.claims });
    return verified;
  }

  /** The claims of a token that has passed before and is still good. */
  known(token: string): AccessClaims | undefined {
    const { signed, digest } = partsOf(token);
    const known = this.#verified.get(digest);
    return known?.signed === signed && !hasExpired(known.claims, this.clock.now()) ? known.claims : undefined;
  }
}

interface Remembered {
  /** Header and claims, which are no secret. */
  readonly signed: string;
  readonly claims: AccessClaims;
}

/** A token is known by its signature, of which a digest is kept: whoever has no signature has no token. */
function partsOf(token: string): { readonly signed: string; readonly digest: string } {
  const dot = token.lastIndexOf('.');
  return { signed: token.slice(0, Math.max(0, dot)), digest: signatureDigest(token.slice(dot + 1)) };
}
