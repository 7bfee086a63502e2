import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { createCache } from 'cache-manager';
import { LRUCache } from 'lru-cache';
import { Cache, cacheConfig } from '#infra/cache';
import { parseConfig, Secret } from '#infra/config';
import { RootKey, TenantCrypto, TenantKeyStore } from '#infra/crypto';
import { newId, systemClock, type TenantContext, type TenantId } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { waitUntil } from '#infra/testing';
import type { Done, Setting, Work } from './work.js';
import { zipf } from './zipf.js';

/** Reads under way at once in one process, and how many of them a reader makes in one turn of the event loop. */
const concurrency = 16;
const readsPerTurn = 10;
const zipfS = 0.99;
const ttlS = 300;
/** Instead of the 50 ms that a command of the cache has otherwise. */
const patienceMs = 5_000;

/** The bench keeps nothing that is sealed. */
class NoKeys extends TenantKeyStore {
  load = async () => [];
  add = async () => undefined;
}

const setting = JSON.parse(process.argv[2] ?? '{}') as Setting;
const { redis: redisSettings, cache: cacheSettings } = parseConfig(
  { redis: redisConfig, cache: cacheConfig },
  { REDIS_URL: setting.redisUrl },
);
const log = createLog({ level: 'error', service: 'bench' }, { app: 'bench' });
const metrics = new Metrics();
const redis = new RedisConnections(redisSettings, log, metrics);
const root = new RootKey(new Secret(randomBytes(32).toString('base64')));
const ours = new Cache({
  config: cacheSettings,
  redis,
  crypto: new TenantCrypto(root, new NoKeys(), systemClock),
  audit: { recordRead: async () => undefined },
  log,
  metrics,
  clock: systemClock,
});
const peer = createCache({ ttl: ttlS * 1_000 });
const ctx: TenantContext = {
  requestId: newId(),
  actor: { kind: 'system', name: 'bench' },
  tenant: { id: setting.tenantId as TenantId, plan: 'ENTERPRISE' },
  deadline: Number.MAX_SAFE_INTEGER,
};
const body = {
  name: 'a row as a screen shows it',
  lines: Array.from({ length: 10 }, (_, n) => ({ n, of: 'something' })),
};

let loads = 0;
const load = (ms: number) => async () => {
  loads += 1;
  if (ms > 0) await pause(ms);
  return body;
};
const read = (side: 'ours' | 'peer', key: string, ms: number): Promise<unknown> =>
  side === 'ours' ? ours.getOrSet(ctx, 'general', key, load(ms)) : peer.wrap(key, load(ms));

async function doIt(work: Work): Promise<void> {
  if (work.do === 'stampede')
    await Promise.all(Array.from({ length: work.askers }, () => read(work.side, work.key, work.loadMs)));
  if (work.do === 'zipf') await readSkewed(work.side, work.reads, zipf(work.keys, zipfS, work.seed));
  if (work.do === 'hits') await readOne(work.side, work.reads);
}

async function readSkewed(side: 'ours' | 'peer', reads: number, draw: () => number): Promise<void> {
  let left = reads;
  const reader = async () => {
    while (left > 0) {
      left -= 1;
      await read(side, `row:${draw()}`, 0);
      if (left % readsPerTurn === 0) await nextTurn();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, reader));
}

/** The same key again and again, one after the other: what an answer from memory costs. */
async function readOne(side: 'ours' | 'peer' | 'lru-cache', reads: number): Promise<void> {
  const bare = new LRUCache<string, string>({ max: 1_000, ttl: ttlS * 1_000 });
  bare.set('hot', JSON.stringify(body));
  if (side !== 'lru-cache') await read(side, 'hot', 0);
  for (let n = 0; n < reads; n += 1)
    await (side === 'lru-cache' ? JSON.parse(bare.get('hot') ?? '') : read(side, 'hot', 0));
}

async function measured(work: Work): Promise<Done> {
  loads = 0;
  const was = ours.stats(ctx).strategies.general;
  const [at, cpu] = [performance.now(), process.cpuUsage()];
  await doIt(work);
  const { user, system } = process.cpuUsage(cpu);
  const is = ours.stats(ctx).strategies.general;
  const reads = 'reads' in work ? work.reads : work.askers;
  return {
    loads,
    memoryHits: is.memory.hits - was.memory.hits,
    redisHits: is.redis.hits - was.redis.hits,
    joined: is.joined - was.joined,
    redisFailed: is.redis.away + is.redis.errors - was.redis.away - was.redis.errors,
    seconds: (performance.now() - at) / 1_000,
    cpuUsPerRead: (user + system) / reads,
  };
}

// Where the processors are shared with much else, a pause of this process is no sign that Redis is slow: what is counted
// here is who answers, not how fast.
const connection = redis.get('cache');
if (!('nodes' in connection)) connection.options.commandTimeout = patienceMs;
ours.onModuleInit();
process.on('message', (work: Work) => void measured(work).then((done) => process.send?.(done)));
process.on('disconnect', () => process.exit(0));
if (!(await waitUntil(() => ours.hears, 10_000))) throw new Error('no Redis');
process.send?.('ready');
