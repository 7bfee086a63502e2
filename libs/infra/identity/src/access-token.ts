import { type KeyObject, sign, verify } from 'node:crypto';
import { z } from 'zod';
import type { Instant, SessionId, TenantId, UserId } from '#infra/kernel';

/** Who may spend a token; each audience refuses the tokens of the others. */
export type Audience = 'api';

/** RFC 9068. Times are seconds since 1970. */
export interface AccessClaims {
  readonly iss: string;
  readonly aud: Audience;
  readonly sub: UserId;
  /** Tenant. */
  readonly tid: TenantId;
  /** Session. */
  readonly sid: SessionId;
  /** Permission version of the user when the token was made: what is known of the user must be at least as new. */
  readonly pv: number;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
}

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

export interface Expectation {
  /** Public Ed25519 keys by their kid; a kid allows one algorithm, EdDSA. */
  readonly keys: ReadonlyMap<string, KeyObject>;
  readonly issuer: string;
  readonly audience: Audience;
}

export type TokenFault =
  | 'malformed'
  | 'algorithm'
  | 'type'
  | 'unknown_key'
  | 'signature'
  | 'claims'
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'future';
export type Verified = { readonly claims: AccessClaims } | { readonly fault: TokenFault };

/** Clocks of two processes may differ by this much. */
export const clockToleranceMs = 5_000;
export const tokenMaxChars = 2_048;
const signatureBytes = 64;

export function encodeAccessToken(claims: AccessClaims, key: SigningKey): string {
  const header = encodeJson({ alg: 'EdDSA', typ: 'at+jwt', kid: key.kid });
  const signed = `${header}.${encodeJson(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key.privateKey).toString('base64url')}`;
}

/**
 * One algorithm, one type, keys of ours only: what the header says of keys elsewhere (jku, x5u, jwk) is never read, and
 * a critical extension (crit) is refused, because none is understood.
 */
export function verifyAccessToken(token: string, expected: Expectation, now: Instant): Verified {
  const [head, body, tail, ...rest] = token.length <= tokenMaxChars ? token.split('.') : [];
  if (head === undefined || body === undefined || tail === undefined || rest.length > 0) return { fault: 'malformed' };
  const header = headerShape.safeParse(decodeJson(head));
  if (!header.success || header.data.crit !== undefined) return { fault: 'malformed' };
  if (header.data.alg !== 'EdDSA') return { fault: 'algorithm' };
  if (header.data.typ !== 'at+jwt') return { fault: 'type' };
  const key = expected.keys.get(header.data.kid);
  if (key === undefined) return { fault: 'unknown_key' };
  const signature = decodeBase64url(tail);
  if (signature?.length !== signatureBytes) return { fault: 'malformed' };
  if (!verify(null, Buffer.from(`${head}.${body}`), key, signature)) return { fault: 'signature' };
  return judgeClaims(decodeJson(body), expected, now);
}

function judgeClaims(payload: unknown, expected: Expectation, now: Instant): Verified {
  const parsed = claimsShape.safeParse(payload);
  if (!parsed.success) return { fault: 'claims' };
  const { data } = parsed;
  if (data.iss !== expected.issuer) return { fault: 'issuer' };
  if (data.aud !== expected.audience) return { fault: 'audience' };
  if (hasExpired(data, now)) return { fault: 'expired' };
  if (data.iat * 1_000 > now + clockToleranceMs) return { fault: 'future' };
  return { claims: data as AccessClaims };
}

export const hasExpired = ({ exp }: { readonly exp: number }, now: Instant): boolean =>
  exp * 1_000 + clockToleranceMs <= now;

const headerShape = z.object({ alg: z.string(), typ: z.string(), kid: z.string(), crit: z.unknown().optional() });

const claimsShape = z.object({
  iss: z.string(),
  aud: z.string(),
  sub: z.uuid(),
  tid: z.uuid(),
  sid: z.uuid(),
  pv: z.int().min(1),
  iat: z.int().min(0),
  exp: z.int().min(0),
  jti: z.string().min(1),
});

const encodeJson = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Only the one canonical spelling counts, so that a token has one text. */
function decodeBase64url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}

function decodeJson(text: string): unknown {
  try {
    return JSON.parse(decodeBase64url(text)?.toString('utf8') ?? '');
  } catch {
    return undefined;
  }
}
