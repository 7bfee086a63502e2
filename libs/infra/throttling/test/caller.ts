import { parseConfig } from '#infra/config';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { RedisWindows } from '../src/redis-windows.js';

/** One process that shares a window: `node caller.js <key> <limit> <calls>` prints how many of its calls passed. */
const [key = '', limit = '', calls = ''] = process.argv.slice(2);
const atOnce = 50;
const windowMs = 600_000;

const log = createLog({ level: 'error', service: 'praxis' }, { app: 'caller' });
const redis = new RedisConnections(parseConfig({ redis: redisConfig }).redis, log, new Metrics());
if (!(await redis.ready('limits', 10_000))) throw new Error('no Redis');
const windows = new RedisWindows(redis);
const rule = { algorithm: 'sliding', limit: Number(limit), windowMs } as const;
const charge = { name: 'test', key, rule, cost: 1, leasable: false, strict: false, blamed: false };
process.send?.('ready');
await new Promise((resolve) => process.once('message', resolve));
let passed = 0;
let left = Number(calls);
const call = async () => {
  while (left > 0) {
    left -= 1;
    if ((await windows.consume({ charges: [charge] })).taken) passed += 1;
  }
};
await Promise.all(Array.from({ length: atOnce }, call));
await redis.close();
process.send?.(passed);
process.disconnect?.();
