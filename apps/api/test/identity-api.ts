import { generateKeyPairSync } from 'node:crypto';
import { Global, Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Audit } from '#infra/audit';
import { parseConfig } from '#infra/config';
import { RootKey, SealedCursor, TenantCrypto } from '#infra/crypto';
import {
  challengeConfig,
  IdentityModule,
  identityConfig,
  identityJobs,
  permissionsByRole,
  Sessions,
} from '#infra/identity';
import type { Clock } from '#infra/kernel';
import { Catalogue, Nudge, Outbox } from '#infra/queues';
import { Sharding } from '#infra/sharding';
import { createLog, HttpMetrics, Log, Metrics } from '#infra/telemetry';
import type { TestDatabases } from '#infra/testing';
import { Limits, limitClasses, measuredAdmissions, throttlingConfig } from '#infra/throttling';
import { apiConfig } from '../src/api.config.js';
import { doorLimits } from '../src/edge/admission.js';
import { buildServer } from '../src/edge/server.js';
import { IdentityApiModule } from '../src/identity/identity-api.module.js';

const silentLog = createLog({ level: 'silent', service: 'praxis' }, { app: 'api', version: '0' });
export const identityMetricsOf = new WeakMap<NestFastifyApplication, Metrics>();

/** The routes of identity alone, behind the whole edge, on databases of the test. */
export async function startIdentityApi(
  { sharding, crypto, audit, redis, rootKey }: TestDatabases,
  clock: Clock,
  env: Readonly<Record<string, string>> = {},
): Promise<NestFastifyApplication> {
  const privateKey = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const { api, identity, challenge, throttling } = parseConfig(
    { api: apiConfig, identity: identityConfig, challenge: challengeConfig, throttling: throttlingConfig },
    { TOKEN_SIGNING_KEY: privateKey, DRAIN_WAIT: '0', ENABLE_RATE_LIMITING: 'false', ...env },
  );
  const log = silentLog;
  const metrics = new Metrics({
    config: { monitoring: true, service: 'praxis' },
    identity: { app: 'api', version: '0' },
    log,
  });
  const ground = [
    { provide: Sharding, useValue: sharding },
    { provide: TenantCrypto, useValue: crypto },
    { provide: Audit, useValue: audit },
    { provide: RootKey, useValue: rootKey },
    { provide: Log, useValue: log },
    { provide: Metrics, useValue: metrics },
    { provide: Outbox, useValue: new Outbox(new Catalogue({ jobs: identityJobs }), new Nudge(redis, log), clock) },
  ];
  @Global()
  @Module({ providers: ground, exports: ground.map(({ provide }) => provide) })
  class Ground {}
  @Module({ imports: [Ground, IdentityModule.forRoot(identity, { clock, challenge }), IdentityApiModule] })
  class Api {}
  const app = await buildServer(Api, {
    config: api,
    log,
    known: {
      limits: new Set(Object.keys(limitClasses)),
      permissions: new Set(Object.values(permissionsByRole).flat()),
    },
    partsOf: (built) => ({
      config: api,
      clock,
      log,
      metrics: new HttpMetrics(metrics, 'api'),
      sessions: built.get(Sessions),
      audit,
      fingerprints: crypto,
      cursors: new SealedCursor(crypto, clock),
      limits: new Limits({ config: throttling, redis, log, metrics, clock }),
      doors: measuredAdmissions(doorLimits(api), metrics),
      isDraining: () => false,
    }),
    openRoutes: () => undefined,
  });
  identityMetricsOf.set(app, metrics);
  return app;
}
