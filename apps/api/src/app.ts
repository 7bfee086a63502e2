import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { CatalogueService, type ServiceId } from '#domain/appointments';
import { Audit } from '#infra/audit';
import { SealedCursor, TenantCrypto } from '#infra/crypto';
import { addDatabaseChecks, addRedisCheck, Readiness } from '#infra/health';
import { permissionsByRole, Sessions } from '#infra/identity';
import { systemClock } from '#infra/kernel';
import { RedisConnections } from '#infra/redis';
import { ConsistencyTokens } from '#infra/replicas';
import { Databases, guardSchemas, Sharding } from '#infra/sharding';
import { createLog, HttpMetrics, type Log, Metrics } from '#infra/telemetry';
import { Limits, limitClasses, measuredAdmissions } from '#infra/throttling';
import { schemaWindows } from '#migrations';
import { AppModule } from './app.module.js';
import { serveDocs } from './docs/docs.routes.js';
import { openApiDocument } from './docs/openapi.js';
import { viewerFiles } from './docs/viewer-files.js';
import { doorLimits } from './edge/admission.js';
import { serveMetrics } from './edge/metrics.routes.js';
import type { EdgeParts } from './edge/ports.js';
import type { KnownNames } from './edge/route-check.js';
import { buildServer } from './edge/server.js';
import { productVersion } from './edge/version.js';
import type { Settings } from './settings.js';
import { serveStatic } from './static/static.routes.js';
import { StaticFiles } from './static/static-files.js';

export interface AppOptions {
  readonly log?: Log;
}

/** The whole API, ready for requests but not listening; refuses databases of another version. */
export async function createApp(settings: Settings, options: AppOptions = {}): Promise<NestFastifyApplication> {
  const identity = { app: 'api', version: productVersion() };
  const log = options.log ?? createLog(settings.telemetry, identity);
  const app = await buildServer(AppModule.forRoot(settings, log), {
    config: settings.api,
    log,
    known: knownNames,
    partsOf: (built) => partsOf(built, settings, log),
    openRoutes: (built, server) => {
      const files = new StaticFiles(viewerFiles(), settings.api);
      serveStatic(server, files);
      serveDocs(server, openApiDocument(built, identity.version), files);
      serveMetrics(server, built.get(Metrics));
    },
  });
  await guardSchemas(app.get(Databases), schemaWindows, { app: identity.app, log }).catch(async (error: unknown) => {
    await app.close();
    throw error;
  });
  const readiness = app.get(Readiness);
  addDatabaseChecks(readiness, app.get(Sharding));
  addRedisCheck(readiness, app.get(RedisConnections), 'limits', false);
  return app;
}

const knownNames: KnownNames = {
  limits: new Set(Object.keys(limitClasses)),
  permissions: new Set(Object.values(permissionsByRole).flat()),
};

function partsOf(app: NestFastifyApplication, settings: Settings, log: Log): EdgeParts {
  const readiness = app.get(Readiness);
  const catalogue = app.get(CatalogueService);
  return {
    config: settings.api,
    clock: systemClock,
    log,
    metrics: app.get(HttpMetrics),
    sessions: app.get(Sessions),
    audit: app.get(Audit),
    fingerprints: app.get(TenantCrypto),
    cursors: app.get(SealedCursor),
    limits: app.get(Limits),
    doors: measuredAdmissions(doorLimits(settings.api), app.get(Metrics)),
    consistency: app.get(ConsistencyTokens),
    remembered: { service: (ctx, { serviceId }) => catalogue.serviceInMemory(ctx, serviceId as ServiceId) },
    isDraining: () => readiness.draining,
  };
}
