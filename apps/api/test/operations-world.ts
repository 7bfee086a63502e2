import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { parseConfig } from '#infra/config';
import { Readiness } from '#infra/health';
import { Users } from '#infra/identity';
import type { TenantContext } from '#infra/kernel';
import { createLog } from '#infra/telemetry';
import { coordinatesOf, LocalCluster, openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { createApp } from '../src/app.js';
import { apiSlices } from '../src/settings.js';
import { type Answer, type Api, type Call, join as joinTenant, login, password } from './house/world.js';

type Environment = Readonly<Record<string, string>>;

const startServers = (home: string) =>
  LocalCluster.start({ home, servers: 2, replica: true, durable: false, redis: true });

/** An api on servers of its own, to stop and to start again, and who may look after them. */
export class OperationsWorld {
  readonly #apps: NestFastifyApplication[] = [];
  app!: NestFastifyApplication;
  ctx!: TenantContext;
  /** Of the tenant's owner. */
  token = '';
  nurseToken = '';

  private constructor(
    private readonly home: string,
    public cluster: LocalCluster,
    readonly db: TestDatabases,
    readonly env: Environment,
  ) {}

  static async start(): Promise<OperationsWorld> {
    const home = mkdtempSync(join(tmpdir(), 'praxis-operations-'));
    const cluster = await startServers(home);
    const db = await openTestDatabases({ cluster: coordinatesOf(cluster) });
    const privateKey = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const settings = { DRAIN_WAIT: '0', DB_POOL_MAX: '10', ENABLE_RATE_LIMITING: 'false' };
    const world = new OperationsWorld(home, cluster, db, { ...db.env, TOKEN_SIGNING_KEY: privateKey, ...settings });
    await world.#settle();
    return world;
  }

  async #settle(): Promise<void> {
    this.app = await this.startApi();
    this.ctx = await this.db.newTenant({ shardId: 'shard-1' });
    const { slug } = await this.db.sharding.tenants.byId(this.ctx.tenant.id);
    const email = `owner@${slug}.example`;
    await this.app.get(Users).createOwner(this.ctx, { email, displayName: 'Owner', password });
    const client = { app: this.app, must: (one: Call) => this.call(one) } as Pick<Api, 'app' | 'must'> as Api;
    this.token = (await login(client, slug, email)).token;
    this.nurseToken = (await joinTenant(client, this.ctx, slug, ['nurse'])).token;
  }

  /** One more api, on the same databases unless `more` says otherwise. */
  async startApi(more: Environment = {}): Promise<NestFastifyApplication> {
    const log = createLog({ level: 'silent', service: 'praxis' }, { app: 'api', version: '0' });
    const app = await createApp(parseConfig(apiSlices, { ...this.env, ...more }), { log });
    this.#apps.push(app);
    await app.getHttpAdapter().getInstance().ready();
    app.get(Readiness).markStarted();
    return app;
  }

  /** All servers stop, then start on the same ports. */
  async restartServers(): Promise<void> {
    await this.cluster.stop();
    this.cluster = await startServers(this.home);
  }

  async call({ method, path, body, token }: Call, on = this.app): Promise<Answer> {
    const answer = await on.inject({
      method: method as 'GET',
      url: path,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    const json = answer.body.startsWith('{') ? JSON.parse(answer.body) : null;
    return { status: answer.statusCode, headers: answer.headers, text: answer.body, json };
  }

  /** As the owner. */
  ask(path: string, on = this.app): Promise<Answer> {
    return this.call({ method: 'GET', path, token: this.token }, on);
  }

  async metrics(on = this.app): Promise<readonly string[]> {
    return (await this.call({ method: 'GET', path: '/metrics' }, on)).text.split('\n');
  }

  async gauge(series: string): Promise<number> {
    return Number((await this.metrics()).find((line) => line.startsWith(`${series} `))?.split(' ')[1]);
  }

  async databaseOf(name: string, role: string) {
    const { servers } = (await this.ask('/api/health/database')).json;
    return servers.find((one: { name: string; role: string }) => one.name === name && one.role === role);
  }

  async redisOf(role: string, on = this.app) {
    const { servers } = (await this.ask('/api/health/cache', on)).json;
    return servers.find((server: { role: string }) => server.role === role);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#apps.map((app) => app.close()));
    // Its servers go away with everything on them.
    await this.db.close().catch(() => undefined);
    await this.cluster.stop();
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Asks again until it is so; answers about servers are not older than a second. */
export const within = (seconds: number, isSo: () => Promise<boolean>): Promise<boolean> =>
  waitUntil(isSo, seconds * 1_000);
