import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuditModule } from '#infra/audit';
import { parseConfig } from '#infra/config';
import { CryptoModule, cryptoConfig } from '#infra/crypto';
import type { TenantContext } from '#infra/kernel';
import { RedisModule, redisConfig } from '#infra/redis';
import { databaseConfig } from '#infra/replicas';
import { ShardingModule, shardingConfig } from '#infra/sharding';
import { TelemetryModule, telemetryConfig } from '#infra/telemetry';
import { findPort, openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { cacheConfig } from './cache.config.js';
import { Cache } from './cache.js';
import { CacheModule } from './cache.module.js';

const slices = {
  telemetry: telemetryConfig,
  crypto: cryptoConfig,
  redis: redisConfig,
  database: databaseConfig,
  sharding: shardingConfig,
  cache: cacheConfig,
};
let db: TestDatabases;
let ctx: TenantContext;
const started: INestApplicationContext[] = [];

beforeAll(async () => {
  db = await openTestDatabases();
  ctx = await db.newTenant();
});
afterEach(() => Promise.all(started.splice(0).map((app) => app.close())));
afterAll(() => db?.close());

/** Reads reports through the cache, as a domain would. */
class Reports {
  loads = 0;
  constructor(readonly cache: Cache) {
    cache.warming.prepare({ strategy: 'analytics', prefix: 'report:', read: (of, name) => this.read(of, name) });
  }
  read(of: TenantContext, name: string) {
    return this.cache.read(of, 'analytics', name, async () => {
      this.loads += 1;
      return { name };
    });
  }
}

@Module({})
class AppModule {}

async function startApp(env: Readonly<Record<string, string>> = {}): Promise<INestApplicationContext> {
  const config = parseConfig(slices, { ...db.env, ...env });
  const app = await NestFactory.createApplicationContext(
    {
      module: AppModule,
      imports: [
        TelemetryModule.forRoot(
          { ...config.telemetry, level: 'error', monitoring: false },
          { app: 'api', version: '0' },
        ),
        RedisModule.forRoot(config.redis),
        CryptoModule.forRoot(config.crypto),
        ShardingModule.forRoot({ ...config, applicationName: 'cache' }),
        AuditModule,
        CacheModule.forRoot(config.cache, { warmsAtStart: true }),
      ],
      providers: [{ provide: Reports, inject: [Cache], useFactory: (cache: Cache) => new Reports(cache) }],
    },
    { logger: false, abortOnError: false },
  );
  started.push(app);
  return app;
}

describe('the module', () => {
  it('[A-054] starts with Redis up, and with Redis down, where memory and the source answer', async () => {
    const up = (await startApp()).get(Cache);
    expect(await waitUntil(() => up.hears && up.stats(ctx).redis === 'up', 10_000)).toBe(true);
    expect(await up.getOrSet(ctx, 'general', 'one', async () => 'loaded')).toBe('loaded');
    const port = await findPort('no Redis', [], () => undefined);
    const down = (await startApp({ REDIS_URL: `redis://127.0.0.1:${port}` })).get(Cache);
    expect([down.hears, down.stats(ctx).redis]).toEqual([false, 'away']);
    let loads = 0;
    const load = async () => {
      loads += 1;
      return 'from its source';
    };
    for (let n = 0; n < 10; n += 1) expect(await down.getOrSet(ctx, 'qrCodes', 'two', load)).toBe('from its source');
    expect(loads).toBe(1);
  }, 60_000);

  it('[C-084] is ready with the 500 keys in memory that were asked for most, whatever was asked for besides', async () => {
    const first = await startApp();
    const reports = first.get(Reports);
    expect(await waitUntil(() => reports.cache.hears, 10_000)).toBe(true);
    const names = Array.from({ length: 600 }, (_, n) => `report:${n}`);
    for (const name of names) await reports.read(ctx, name);
    for (const name of names.slice(0, 500))
      for (let n = 0; n < 2; n += 1) {
        await reports.cache.forget(ctx, 'analytics', name);
        await reports.read(ctx, name);
      }
    await reports.cache.flushAccesses();
    const second = await startApp();
    const { entries } = second.get(Cache).stats(ctx).strategies.analytics.memory;
    expect(entries).toBe(500);
    const warm = second.get(Reports);
    for (const name of names.slice(0, 500)) await warm.read(ctx, name);
    // A pause of this process may make it trust its memory no longer, and Redis answer too late.
    expect(warm.loads).toBeLessThanOrEqual(25);
  }, 120_000);
});
