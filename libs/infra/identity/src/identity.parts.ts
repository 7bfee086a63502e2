import type { KeyObject } from 'node:crypto';
import type { Audit } from '#infra/audit';
import type { RootKey, TenantCrypto } from '#infra/crypto';
import type { Clock } from '#infra/kernel';
import type { Outbox } from '#infra/queues';
import type { Quotas } from '#infra/quotas';
import type { Sharding } from '#infra/sharding';
import type { AccessTokens } from './access-tokens.js';
import type { ChallengeProvider } from './challenge.js';
import type { IdentityConfig } from './identity.config.js';
import type { IdentityMetrics } from './identity.metrics.js';
import type { Passwords } from './passwords.js';
import type { Standings } from './standings.js';

/** What every verb of identity works with. */
export interface IdentityParts {
  readonly config: IdentityConfig;
  readonly clock: Clock;
  readonly sharding: Sharding;
  readonly crypto: TenantCrypto;
  readonly audit: Pick<Audit, 'record' | 'recordRead'>;
  readonly outbox: Pick<Outbox, 'append'>;
  readonly quotas: Quotas;
  readonly challenges: ChallengeProvider;
  readonly metrics: IdentityMetrics;
  readonly passwords: Passwords;
  readonly tokens: AccessTokens;
  readonly standings: Standings;
  readonly keys: IdentityKeys;
}

/** The platform's own keys for tokens that are derived instead of stored. */
export interface IdentityKeys {
  readonly refresh: KeyObject;
  readonly mailed: KeyObject;
}

/** A new label makes every open session log in again, and every mailed link void. */
export const identityKeys = (root: RootKey): IdentityKeys => ({
  refresh: root.derive('identity-refresh-1'),
  mailed: root.derive('identity-mailed-1'),
});
