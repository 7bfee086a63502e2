import { parseConfig } from '#infra/config';
import { RedisConnections, redisConfig } from '#infra/redis';
import { DirectoryNews, type TenantChange } from '#infra/sharding';
import { createLog, Metrics, telemetryConfig } from '#infra/telemetry';

/**
 * Runs `work` with a way to tell every process of a tenant's new place. Where no Redis answers nobody is told: processes
 * learn of it by their next look, or when the former place refuses.
 */
export async function tellingProcesses<T>(work: (told: (change: TenantChange) => void) => Promise<T>): Promise<T> {
  const config = parseConfig({ redis: redisConfig, telemetry: telemetryConfig });
  const log = createLog({ ...config.telemetry, level: 'silent' }, { app: 'cli', version: '1' });
  const redis = new RedisConnections(config.redis, log, new Metrics());
  const news = new DirectoryNews(redis);
  // Connected by the time there is something to tell.
  redis.get('cache');
  const told: Promise<void>[] = [];
  try {
    return await work((change) => void told.push(news.tell(change)));
  } finally {
    await Promise.all(told);
    await redis.close();
  }
}
