import type { RootKey } from '#infra/crypto';
import type { Metrics } from '#infra/telemetry';
import { AccessTokens } from './access-tokens.js';
import { type ChallengeProvider, NoChallenge } from './challenge.js';
import { signingKeyOf } from './identity.config.js';
import { Identity } from './identity.js';
import { IdentityMetrics } from './identity.metrics.js';
import { type IdentityParts, identityKeys } from './identity.parts.js';
import { Passwords } from './passwords.js';
import { standingLoader } from './sessions.js';
import { Standings } from './standings.js';

type Made = 'challenges' | 'metrics' | 'passwords' | 'tokens' | 'standings' | 'keys';

/** What identity is made from; the rest it makes itself. */
export interface IdentityNeeds extends Omit<IdentityParts, Made> {
  readonly root: RootKey;
  readonly metrics: Metrics;
  /** Nobody is challenged unless said otherwise. */
  readonly challenges?: ChallengeProvider;
}

/** One Identity for a process, with or without Nest. */
export function createIdentity({ root, metrics, challenges = new NoChallenge(), ...given }: IdentityNeeds): Identity {
  const { config, clock } = given;
  const tokens = new AccessTokens(
    {
      signing: signingKeyOf(config.signingKey),
      alsoTrusted: new Map(config.trustedKeys.map(({ kid, publicKey }) => [kid, publicKey])),
      issuer: config.issuer,
      lifetimeMs: config.accessTtlMs,
    },
    clock,
  );
  return new Identity({
    ...given,
    challenges,
    tokens,
    metrics: new IdentityMetrics(metrics),
    passwords: new Passwords(),
    standings: new Standings(standingLoader(given), clock),
    keys: identityKeys(root),
  });
}
