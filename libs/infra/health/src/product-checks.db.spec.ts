import { parseConfig } from '#infra/config';
import { FixedClock } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { testCluster } from '#infra/testing';
import { addRedisCheck } from './product-checks.js';
import { Readiness } from './readiness.js';

const nobodyListens = 'redis://127.0.0.1:1';
const opened: RedisConnections[] = [];

async function reportWith(url: string, critical: boolean) {
  const log = createLog({ level: 'silent', service: 'praxis' }, { app: 'test' });
  const redis = new RedisConnections(parseConfig({ redis: redisConfig }, { REDIS_URL: url }).redis, log, new Metrics());
  opened.push(redis);
  const readiness = new Readiness(new FixedClock(0));
  readiness.markStarted();
  addRedisCheck(readiness, redis, 'cache', critical);
  return readiness.report();
}

describe('readiness with Redis', () => {
  afterEach(() => Promise.all(opened.splice(0).map((redis) => redis.close())));

  it('[B-074] [E-015] is up while the cache answers, and degraded, not down, while it does not', async () => {
    const { url } = testCluster().redis;
    expect(await reportWith(url, false)).toMatchObject({ status: 'up', checks: { 'redis-cache': { status: 'up' } } });
    const without = await reportWith(nobodyListens, false);
    expect(without).toMatchObject({ status: 'degraded', checks: { 'redis-cache': { status: 'down' } } });
    expect(without.checks['redis-cache']?.latencyMs).toBeLessThan(1_000);
  });

  it('is down without it where the process cannot work without it', async () => {
    expect((await reportWith(nobodyListens, true)).status).toBe('down');
  });
});
