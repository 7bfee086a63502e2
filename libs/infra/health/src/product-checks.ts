import type { RedisConnections, RedisRole } from '#infra/redis';
import { directoryName, type Sharding } from '#infra/sharding';
import type { Readiness } from './readiness.js';

/**
 * Ready means: the directory answers and at least one shard does. A shard or Redis that is away is named and leaves the
 * process degraded: its own tenants are refused, the others are served.
 */
export function addDatabaseChecks(readiness: Readiness, sharding: Sharding): void {
  const shards = sharding.databaseNames.filter((name) => name !== directoryName);
  readiness.add({ name: directoryName, critical: true, run: () => up(sharding.ping(directoryName)) });
  for (const name of shards) readiness.add({ name, critical: false, run: () => up(sharding.ping(name)) });
  readiness.add({
    name: 'any-shard',
    critical: true,
    run: () => up(Promise.any(shards.map((name) => sharding.ping(name)))),
  });
}

export function addRedisCheck(readiness: Readiness, redis: RedisConnections, role: RedisRole, critical: boolean): void {
  readiness.add({ name: `redis-${role}`, critical, run: () => up(redis.ping(role)) });
}

const up = async (answer: Promise<unknown>): Promise<'up'> => {
  await answer;
  return 'up';
};
