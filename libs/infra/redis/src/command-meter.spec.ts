import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Metrics } from '#infra/telemetry';
import { CommandMeter } from './command-meter.js';

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);
beforeAll(() => void process.on('unhandledRejection', onUnhandled));
afterAll(() => void process.off('unhandledRejection', onUnhandled));

describe('the meter of commands', () => {
  it('lets no failed subscription end the process, though nobody waits for it; who waits hears of it', async () => {
    const redis = new Redis({ port: 1, lazyConnect: true, enableOfflineQueue: false, retryStrategy: () => null });
    redis.on('error', () => undefined);
    const meter = new CommandMeter(new Metrics());
    meter.watch(redis, 'cache');
    void redis.subscribe('a');
    void redis.ssubscribe('b');
    await expect(redis.subscribe('c')).rejects.toThrow();
    await sleep(20);
    redis.disconnect();
    expect(unhandled).toEqual([]);
    expect(meter.counts('cache')).toEqual({ commandCount: 3, averageResponseTime: null });
  });
});
