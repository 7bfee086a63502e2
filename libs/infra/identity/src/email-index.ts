import type { TenantCrypto } from '#infra/crypto';
import type { TenantId } from '#infra/kernel';
import { normalizeEmail } from './user.js';

/** Blind indexes of one address: the newest to count attempts by, all of them to store and to look up. */
export interface EmailTokens {
  readonly current: Buffer;
  readonly all: readonly Buffer[];
}

export async function emailTokens(crypto: TenantCrypto, tenantId: TenantId, email: string): Promise<EmailTokens> {
  const text = normalizeEmail(email);
  const current = await crypto.token(tenantId, 'user_email', text);
  const others = await crypto.tokensForQuery(tenantId, 'user_email', text);
  return { current, all: [current, ...others.filter((token) => !token.equals(current))] };
}
