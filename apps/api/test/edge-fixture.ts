import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { type DynamicModule, Module, type Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { parseConfig, Secret } from '#infra/config';
import { RootKey, SealedCursor, TenantCrypto, TenantKeyStore, type WrappedKey } from '#infra/crypto';
import { AppError, type Context, FixedClock, newId, type Tenant, type TenantId, type UserActor } from '#infra/kernel';
import { createLog, HttpMetrics, type Log, Metrics } from '#infra/telemetry';
import { limitClasses, measuredAdmissions } from '#infra/throttling';
import { apiConfig } from '../src/api.config.js';
import { serveDocs } from '../src/docs/docs.routes.js';
import { openApiDocument } from '../src/docs/openapi.js';
import { viewerFiles } from '../src/docs/viewer-files.js';
import { doorLimits } from '../src/edge/admission.js';
import { serveMetrics } from '../src/edge/metrics.routes.js';
import type { EdgeParts, RateLimiter } from '../src/edge/ports.js';
import { buildServer } from '../src/edge/server.js';
import { serveStatic } from '../src/static/static.routes.js';
import { StaticFiles } from '../src/static/static-files.js';

export const baseTime = Date.UTC(2026, 10, 21, 9);

/** Stored keys come through a port; here they stay in memory. */
class KeysInMemory extends TenantKeyStore {
  private readonly keys = new Map<string, WrappedKey[]>();
  override async load(tenantId: TenantId, purpose: string) {
    return this.keys.get(`${tenantId} ${purpose}`) ?? [];
  }
  override async add(tenantId: TenantId, purpose: string, key: WrappedKey) {
    const known = this.keys.get(`${tenantId} ${purpose}`) ?? [];
    if (!known.some(({ version }) => version === key.version)) this.keys.set(`${tenantId} ${purpose}`, [...known, key]);
  }
}

export interface Person {
  readonly token: string;
  readonly tenant: Tenant;
  readonly actor: UserActor;
}

/** Somebody who is logged in, in a tenant of their own unless it is given. */
export function person(permissions: readonly string[], tenant: Tenant = newTenant()): Person {
  const actor: UserActor = { kind: 'user', id: newId(), sessionId: newId(), permissions: new Set(permissions) };
  return { token: `token-${actor.id}`, tenant, actor };
}
export const newTenant = (): Tenant => ({ id: newId<TenantId>(), plan: 'BASIC' });
export const bearer = ({ token }: Person) => ({ authorization: `Bearer ${token}` });

/** Lines that the process wrote to its log, as parsed JSON and as one text. */
export class LogLines {
  readonly texts: string[] = [];
  readonly sink = new Writable({
    write: (chunk, _encoding, done) => {
      this.texts.push(String(chunk));
      done();
    },
  });
  get entries(): Record<string, unknown>[] {
    return this.texts.map((text) => JSON.parse(text));
  }
  of(message: string): Record<string, unknown>[] {
    return this.entries.filter((entry) => entry.message === message);
  }
}

export interface Edge {
  readonly app: NestFastifyApplication;
  readonly clock: FixedClock;
  readonly lines: LogLines;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly denied: { ctx: Context; action: string }[];
  readonly drain: { isDraining: boolean };
}

interface EdgeOptions {
  readonly controllers: readonly Type<unknown>[];
  readonly people?: readonly Person[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly limits?: RateLimiter;
  readonly remembered?: NonNullable<EdgeParts['remembered']>;
  readonly monitoring?: boolean;
  readonly modules?: readonly (Type<unknown> | DynamicModule)[];
  /** Beside the documents and the metrics. */
  readonly openRoutes?: (server: FastifyInstance) => void;
}

export const knownPermissions = new Set(['things.read', 'things.manage']);

/** The edge around controllers of a test, with the ports that only a whole house can fill answered here. */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { api } = parseConfig({ api: apiConfig }, options.environment ?? {});
  const clock = new FixedClock(baseTime);
  const lines = new LogLines();
  const log = createLog({ level: 'info', service: 'praxis' }, { app: 'api', version: '0', to: lines.sink, clock });
  const metrics = new Metrics({
    config: { monitoring: options.monitoring ?? true, service: 'praxis' },
    identity: { app: 'api', version: '0' },
    log,
  });
  const crypto = new TenantCrypto(
    new RootKey(new Secret(randomBytes(32).toString('base64'))),
    new KeysInMemory(),
    clock,
  );
  const denied: Edge['denied'] = [];
  const drain = { isDraining: false };
  const parts: EdgeParts = {
    config: api,
    clock,
    log,
    metrics: new HttpMetrics(metrics, 'api'),
    sessions: { authenticate: async (token) => authenticate(options.people ?? [], token) },
    audit: { recordDenied: async (ctx, action) => void denied.push({ ctx, action }) },
    fingerprints: crypto,
    cursors: new SealedCursor(crypto, clock),
    limits: options.limits ?? { consume: async () => ({ allowed: true, retryAfterMs: 0, policies: [] }) },
    doors: measuredAdmissions(doorLimits(api), metrics),
    ...(options.remembered === undefined ? {} : { remembered: options.remembered }),
    isDraining: () => drain.isDraining,
  };
  const app = await buildServer(moduleOf(options.controllers, options.modules ?? []), {
    config: api,
    log,
    known: { limits: new Set(Object.keys(limitClasses)), permissions: knownPermissions },
    partsOf: () => parts,
    openRoutes: (built, server) => {
      const files = new StaticFiles(viewerFiles(), api);
      serveStatic(server, files);
      serveDocs(server, openApiDocument(built, '0.0.0'), files);
      serveMetrics(server, metrics);
      options.openRoutes?.(server);
    },
  });
  return { app, clock, lines, log, metrics, denied, drain };
}

function authenticate(people: readonly Person[], token: string) {
  const found = people.find((one) => one.token === token);
  if (found === undefined) throw new AppError('unauthenticated', 'token.invalid', 'The access token is not valid.');
  return found;
}

function moduleOf(
  controllers: readonly Type<unknown>[],
  imports: readonly (Type<unknown> | DynamicModule)[],
): Type<unknown> {
  @Module({ controllers: [...controllers], imports: [...imports] })
  class TestModule {}
  return TestModule;
}
