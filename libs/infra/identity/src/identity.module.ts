import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { RootKey, TenantCrypto } from '#infra/crypto';
import { type Clock, systemClock } from '#infra/kernel';
import { Outbox } from '#infra/queues';
import { Quotas, QuotasModule } from '#infra/quotas';
import { Sharding } from '#infra/sharding';
import { Log, Metrics } from '#infra/telemetry';
import { type ChallengeConfig, challengeProvider } from './challenge.config.js';
import { NoChallenge } from './challenge.js';
import { createIdentity } from './create-identity.js';
import type { IdentityConfig } from './identity.config.js';
import { Identity } from './identity.js';
import { Invitations } from './invitations.js';
import { PasswordResets } from './password-resets.js';
import { Sessions } from './sessions.js';
import { Users } from './users.js';

const verbs = [
  { provide: Sessions, useFactory: (identity: Identity) => identity.sessions, inject: [Identity] },
  { provide: Users, useFactory: (identity: Identity) => identity.users, inject: [Identity] },
  { provide: Invitations, useFactory: (identity: Identity) => identity.invitations, inject: [Identity] },
  { provide: PasswordResets, useFactory: (identity: Identity) => identity.passwordResets, inject: [Identity] },
];

interface IdentityOptions {
  readonly clock?: Clock;
  /** Where people log in; nobody is challenged elsewhere. */
  readonly challenge?: ChallengeConfig;
}

/** Needs Sharding, Audit, Outbox, TenantCrypto, RootKey, Log and Metrics from global modules. */
@Global()
@Module({})
export class IdentityModule {
  static forRoot(config: IdentityConfig, { clock = systemClock, challenge }: IdentityOptions = {}): DynamicModule {
    const identity = {
      provide: Identity,
      useFactory: (
        sharding: Sharding,
        crypto: TenantCrypto,
        audit: Audit,
        outbox: Outbox,
        root: RootKey,
        metrics: Metrics,
        quotas: Quotas,
        log: Log,
      ) => {
        const challenges = challenge ? challengeProvider(challenge, { log, metrics }) : new NoChallenge();
        return createIdentity({ config, clock, sharding, crypto, audit, outbox, root, metrics, quotas, challenges });
      },
      inject: [Sharding, TenantCrypto, Audit, Outbox, RootKey, Metrics, Quotas, Log],
    };
    return {
      module: IdentityModule,
      imports: [QuotasModule],
      providers: [identity, ...verbs],
      exports: [Identity, ...verbs.map((v) => v.provide)],
    };
  }
}
