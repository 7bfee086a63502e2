import { parseConfig } from '#infra/config';
import { type Clock, systemClock } from '#infra/kernel';
import { type RedisConnection, RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { type TestDatabases, waitUntil } from '#infra/testing';
import { cacheConfig } from '../src/cache.config.js';
import { Cache } from '../src/cache.js';

export interface RigPlan {
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  /** True: commands fail after their usual 50 ms, which on a busy machine may be a pause of this process. So it is on a cluster. */
  readonly impatient?: boolean;
}

const patientMs = 5_000;

/** The cache of one process: connections, memory and metrics of its own. */
export class CacheRig {
  readonly lines: string[] = [];
  readonly redis: RedisConnections;
  readonly metrics: Metrics;
  readonly cache: Cache;

  private constructor(db: TestDatabases, { env, clock = systemClock }: RigPlan) {
    const config = parseConfig({ cache: cacheConfig, redis: redisConfig }, { ...db.env, ...env });
    const log = createLog({ level: 'debug', service: 'praxis' }, { app: 'test', to: { write: this.#keep } });
    const identity = { app: 'test', version: '0' };
    this.metrics = new Metrics({ config: { monitoring: true, service: 'praxis' }, identity, log });
    this.redis = new RedisConnections(config.redis, log, this.metrics);
    const { crypto, audit } = db;
    this.cache = new Cache({
      config: config.cache,
      redis: this.redis,
      crypto,
      audit,
      log,
      metrics: this.metrics,
      clock,
    });
  }

  static async start(db: TestDatabases, plan: RigPlan = {}): Promise<CacheRig> {
    const rig = new CacheRig(db, plan);
    if (!plan.impatient) rig.#waitLonger();
    rig.cache.onModuleInit();
    if (!rig.cache.enabled) return rig;
    if (!(await rig.redis.ready('cache', 5_000)) || !(await rig.hears())) throw new Error('the cache has no Redis');
    return rig;
  }

  /** Whether it hears other processes within some seconds. */
  hears(): Promise<boolean> {
    return waitUntil(async () => this.cache.hears, 10_000);
  }

  /** Every series of the cache's counter that moved, as `strategy tier result` → how often. */
  async requests(): Promise<Record<string, number>> {
    const { body } = await this.metrics.expose();
    const series = /^cache_requests_total\{strategy="(\w+)",tier="(\w+)",result="(\w+)"\} (\d+)$/gm;
    return Object.fromEntries([...body.matchAll(series)].map(([, s, t, r, n]) => [`${s} ${t} ${r}`, Number(n)]));
  }

  async stop(): Promise<void> {
    this.cache.beforeApplicationShutdown();
    await this.redis.close();
  }

  #waitLonger(): void {
    const connection: RedisConnection = this.redis.get('cache');
    if (!('nodes' in connection)) connection.options.commandTimeout = patientMs;
  }

  readonly #keep = (line: string): void => void this.lines.push(line);
}
