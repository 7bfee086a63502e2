import { parseConfig } from '#infra/config';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { Limits, throttlingConfig } from '#infra/throttling';

/** What one process is to do: so many calls from one address, as many of them at a time. */
export interface CallOrder {
  readonly ip: string;
  readonly calls: number;
  readonly atOnce: number;
}

/** What became of them. */
export interface Called {
  readonly passed: number;
  /** Answers of this process alone, because Redis was late. */
  readonly late: number;
  readonly byLease: number;
  readonly cpuUs: number;
}

const readyTimeoutMs = 10_000;

/** One process with the product's own limits, that does what it is told over its channel. */
async function serve(): Promise<void> {
  const config = parseConfig({ redis: redisConfig, throttling: throttlingConfig });
  const log = createLog({ level: 'error', service: 'praxis' }, { app: 'caller' });
  const metrics = new Metrics();
  const redis = new RedisConnections(config.redis, log, metrics);
  const limits = new Limits({ config: config.throttling, redis, log, metrics });
  if (!(await redis.ready('limits', readyTimeoutMs))) throw new Error('no Redis');
  // The script is known to the servers, and the connections are open.
  await limits.consume(['public'], { ip: '192.0.2.1' });
  process.on('message', (order: CallOrder) => {
    void call(limits, order).then((called) => process.send?.(called));
  });
  process.on('disconnect', () => void limits.beforeApplicationShutdown().then(() => redis.close()));
  process.send?.('ready');
}

async function call(limits: Limits, { ip, calls, atOnce }: CallOrder): Promise<Called> {
  const before = { ...limits.answered };
  const cpu = process.cpuUsage();
  let left = calls;
  let passed = 0;
  const line = async () => {
    while (left > 0) {
      left -= 1;
      if ((await limits.consume(['public'], { ip })).allowed) passed += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, line));
  const { user, system } = process.cpuUsage(cpu);
  return {
    passed,
    late: limits.answered.local - before.local,
    byLease: limits.answered.lease - before.lease,
    cpuUs: user + system,
  };
}

await serve();
