import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Id, TenantId } from '#infra/kernel';
import { bytesOfId, idOfBytes } from './id-bytes.js';

/** What a person is mailed a token for; a token of one kind is nothing to the other. */
export type MailedKind = 'invitation' | 'password_reset';

const prefixes: Readonly<Record<MailedKind, string>> = { invitation: 'pit_', password_reset: 'ppr_' };
const macBytes = 32;
const tokenBytes = 16 + 16 + macBytes;

/**
 * prefix + base64url of tenant id (16), row id (16) and a HMAC over both (32). Derived whenever it is needed, so it is
 * neither stored nor queued: whoever renders the mail makes it from the ids.
 */
export function writeMailedToken(kind: MailedKind, tenantId: TenantId, id: Id<string>, key: KeyObject): string {
  const body = Buffer.concat([bytesOfId(tenantId), bytesOfId(id)]);
  return prefixes[kind] + Buffer.concat([body, macOf(kind, body, key)]).toString('base64url');
}

/** Null for what was not made here for this kind. */
export function readMailedToken<T extends Id<string>>(kind: MailedKind, text: string, key: KeyObject) {
  const prefix = prefixes[kind];
  if (!text.startsWith(prefix)) return null;
  const bytes = Buffer.from(text.slice(prefix.length), 'base64url');
  if (bytes.length !== tokenBytes || bytes.toString('base64url') !== text.slice(prefix.length)) return null;
  const body = bytes.subarray(0, tokenBytes - macBytes);
  if (!timingSafeEqual(bytes.subarray(tokenBytes - macBytes), macOf(kind, body, key))) return null;
  return { tenantId: idOfBytes<TenantId>(body, 0), id: idOfBytes<T>(body, 16) };
}

const macOf = (kind: MailedKind, body: Buffer, key: KeyObject): Buffer =>
  createHmac('sha256', key).update(`${kind}|`).update(body).digest();
