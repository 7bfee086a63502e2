import { createHash, createHmac, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import type { SessionId, TenantId } from '#infra/kernel';
import { bytesOfId, idOfBytes } from './id-bytes.js';

/**
 * `prt_` + base64url of tenant id (16), session id (16), secret (32), tag (16). The tag, a HMAC over the rest, shows
 * that the token came from here, so a made-up one is refused without a database and can end nobody's session.
 */
export interface RefreshToken {
  readonly tenantId: TenantId;
  readonly sessionId: SessionId;
  readonly secret: Buffer;
}

const prefix = 'prt_';
const secretBytes = 32;
const tagBytes = 16;
const tokenBytes = 16 + 16 + secretBytes + tagBytes;

export const firstRefreshToken = (tenantId: TenantId, sessionId: SessionId): RefreshToken => ({
  tenantId,
  sessionId,
  secret: randomBytes(secretBytes),
});

/** The same successor every time: a client whose answer was lost asks again, however late, and gets it. */
export const successorOf = (token: RefreshToken, key: KeyObject): RefreshToken => ({
  ...token,
  secret: createHmac('sha256', key).update('successor|').update(bodyOf(token)).digest(),
});

/** What the database keeps instead of the token. */
export const refreshDigest = (token: RefreshToken): Buffer => createHash('sha256').update(bodyOf(token)).digest();

export function writeRefreshToken(token: RefreshToken, key: KeyObject): string {
  const body = bodyOf(token);
  return prefix + Buffer.concat([body, tagOf(body, key)]).toString('base64url');
}

/** Null for what was not made here. */
export function readRefreshToken(text: string, key: KeyObject): RefreshToken | null {
  if (!text.startsWith(prefix)) return null;
  const bytes = Buffer.from(text.slice(prefix.length), 'base64url');
  if (bytes.length !== tokenBytes || bytes.toString('base64url') !== text.slice(prefix.length)) return null;
  const body = bytes.subarray(0, tokenBytes - tagBytes);
  if (!timingSafeEqual(bytes.subarray(tokenBytes - tagBytes), tagOf(body, key))) return null;
  return { tenantId: idOfBytes(body, 0), sessionId: idOfBytes(body, 16), secret: body.subarray(32) };
}

/** The two tokens of a session that are worth something. */
export interface RefreshFamily {
  /** The newest token that was given out; nobody has used it yet. */
  readonly issued: Buffer;
  /** The one before it, until `issued` is used for the first time; null while `issued` is the session's first. */
  readonly used: Buffer | null;
}

/** `rotate`: first use of the newest. `repeat`: its predecessor again, same successor. `theft`: older than both. */
export type RefreshVerdict = 'rotate' | 'repeat' | 'theft';

export function judgeRefresh(family: RefreshFamily, presented: Buffer): RefreshVerdict {
  if (timingSafeEqual(family.issued, presented)) return 'rotate';
  if (family.used !== null && timingSafeEqual(family.used, presented)) return 'repeat';
  return 'theft';
}

const bodyOf = (token: RefreshToken): Buffer =>
  Buffer.concat([bytesOfId(token.tenantId), bytesOfId(token.sessionId), token.secret]);

const tagOf = (body: Buffer, key: KeyObject): Buffer =>
  createHmac('sha256', key).update('tag|').update(body).digest().subarray(0, tagBytes);
