import { parseConfig } from '#infra/config';
import { newId } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { LocalCluster, type RedisServer } from '#infra/testing';
import type { Charge, ChargeGroup, LimitSubject } from '../src/charges.js';
import { Limits } from '../src/limits.js';
import type { Rule } from '../src/rule.js';
import { throttlingConfig } from '../src/throttling.config.js';

/** Processes that count in one Redis. */
export class LimitsWorld {
  readonly #opened: RedisConnections[] = [];

  private constructor(private readonly cluster: LocalCluster) {}

  static async start(): Promise<LimitsWorld> {
    return new LimitsWorld(
      await LocalCluster.startTemporary({ servers: 1, replica: false, durable: false, redis: true }),
    );
  }

  get server(): RedisServer {
    if (!this.cluster.redis) throw new Error('the cluster has no Redis');
    return this.cluster.redis;
  }

  /** One more process. */
  async process(environment: Readonly<Record<string, string>> = {}) {
    const lines: string[] = [];
    const log = createLog(
      { level: 'info', service: 'praxis' },
      { app: 'test', to: { write: (line) => void lines.push(line) } },
    );
    const settings = { REDIS_URL: this.server.url, ...environment };
    const config = parseConfig({ redis: redisConfig, throttling: throttlingConfig }, settings);
    const metrics = new Metrics();
    const redis = new RedisConnections(config.redis, log, metrics);
    this.#opened.push(redis);
    await redis.ready('limits', 2_000);
    return { redis, log, lines, limits: new Limits({ config: config.throttling, redis, log, metrics }) };
  }

  async closeProcesses(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((redis) => redis.close()));
  }

  stop(): Promise<void> {
    return this.cluster.stop();
  }
}

export const someone = (): LimitSubject => ({ ip: '203.0.113.9', userId: newId(), tenantId: newId(), plan: 'FREE' });
export const stranger = (n: number): LimitSubject => ({ ip: `198.51.100.${n}` });

export const slidingOf = (limit: number, windowMs: number): Rule => ({ algorithm: 'sliding', limit, windowMs });
export const chargeOf = (key: string, rule: Rule, cost = 1): Charge => ({
  name: key.split(':').at(-1) ?? key,
  key,
  rule,
  cost,
  leasable: false,
  strict: false,
  blamed: false,
});
export const only = (charge: Charge): ChargeGroup => ({ charges: [charge] });
export const windowFor = (limit: number, windowMs: number): Charge =>
  chargeOf(`limits:{${newId()}}:test`, slidingOf(limit, windowMs));
