import { z } from 'zod';
import type { CacheStats, StrategyStats } from '#infra/cache';
import type { DatabaseHealth, ProcessReport, RedisHealth, ServersHealth } from '#infra/health';
import type { TenantId } from '#infra/kernel';
import { idOf, instantText, utcText } from '../edge/index.js';

const status = z.enum(['up', 'degraded', 'down']);
const ms = z.number().meta({ description: 'milliseconds' });

const database = z.strictObject({
  name: z.string().meta({ description: '`directory`, `shard-1` …; never an address' }),
  role: z.string().meta({ description: '`primary`, `replica-1` …' }),
  status,
  breaker: z
    .enum(['closed', 'open'])
    .meta({ description: 'open: requests to it are refused at once; probed each second' }),
  latencyMs: ms,
  lagMs: ms.nullable().meta({ description: 'of a replica; null: a primary, or nobody knows' }),
  totalConnections: z.int(),
  activeConnections: z.int(),
  idleConnections: z.int(),
  waitingRequests: z.int(),
  maxConnections: z.int(),
  queryCount: z.int(),
  averageQueryTime: ms.nullable(),
});
const redis = z.strictObject({
  role: z.string(),
  status,
  latencyMs: ms,
  commandCount: z.int(),
  averageResponseTime: ms.nullable(),
  clusterState: z.enum(['ok', 'fail']).nullable().meta({ description: 'null: a single server, or nobody knows' }),
  slotsOk: z.int().nullable().meta({ description: 'of 16,384' }),
  knownNodes: z.int().nullable(),
});
const itself = z.strictObject({
  status,
  uptimeS: z.int(),
  heapUsedBytes: z.int(),
  heapTotalBytes: z.int(),
  rssBytes: z.int(),
  cpu: z.number().meta({ description: 'processors in use over the last 5 s' }),
  eventLoopDelayMs: ms.meta({ description: 'the longest stop of the last 5 s' }),
});
export const databasesAnswer = z.strictObject({ status, servers: z.array(database) });
export const cachesAnswer = z.strictObject({ status, servers: z.array(redis) });
export const healthAnswer = z.strictObject({ status, process: itself, database: databasesAnswer, cache: cachesAnswer });

const counts = { hits: z.int(), misses: z.int(), hitRate: z.number().nullable() };
const strategy = z.strictObject({
  ...counts,
  ttlS: z.int(),
  memoryTtlS: z.int(),
  compressed: z.boolean(),
  encrypted: z.boolean(),
  critical: z.boolean(),
  warmed: z.boolean(),
  graceS: z.int().meta({ description: 'how long after its end an entry is answered while the source is away' }),
  joined: z.int().meta({ description: 'reads that waited for the load of another one' }),
  waited: z.int().meta({ description: 'reads that waited for the load of another process' }),
  late: z.int().meta({ description: 'reads answered with an entry whose time was over' }),
  renewed: z.int().meta({ description: 'entries loaded again before they ended' }),
  memory: z.strictObject({ ...counts, entries: z.int(), bytes: z.int() }),
  redis: z.strictObject({
    ...counts,
    refused: z.int(),
    away: z.int(),
    errors: z.int(),
    bytesRead: z.int(),
    bytesWritten: z.int(),
  }),
});
export const cacheStatsAnswer = z.strictObject({
  enabled: z.boolean(),
  since: instantText,
  hears: z.boolean().meta({ description: 'whether changes that other processes make are heard of' }),
  redis: z.enum(['up', 'away']),
  memory: z.strictObject({ entries: z.int(), bytes: z.int(), maxEntries: z.int(), maxBytes: z.int() }),
  strategies: z.record(z.string(), strategy),
  company: z.strictObject(counts),
});
export const cacheStatsQuery = z.strictObject({ companyId: idOf<TenantId>('tenant').optional() });

export const presentDatabases = ({ status: all, servers }: ServersHealth<DatabaseHealth>) =>
  ({ status: all, servers: servers.map((server) => ({ ...server })) }) satisfies z.input<typeof databasesAnswer>;

export const presentCaches = ({ status: all, servers }: ServersHealth<RedisHealth>) =>
  ({
    status: all,
    servers: servers.map(({ cluster, ...server }) => ({
      ...server,
      clusterState: cluster?.state ?? null,
      slotsOk: cluster?.slotsOk ?? null,
      knownNodes: cluster?.knownNodes ?? null,
    })),
  }) satisfies z.input<typeof cachesAnswer>;

export function presentHealth(
  about: ProcessReport,
  databases: ServersHealth<DatabaseHealth>,
  caches: ServersHealth<RedisHealth>,
): z.input<typeof healthAnswer> {
  const statuses = [about.status, databases.status, caches.status];
  const worst = statuses.includes('down') ? 'down' : statuses.every((one) => one === 'up') ? 'up' : 'degraded';
  return { status: worst, process: about, database: presentDatabases(databases), cache: presentCaches(caches) };
}

const rated = <T extends { readonly hits: number; readonly misses: number }>(of: T) => {
  const reads = of.hits + of.misses;
  return { ...of, hitRate: reads === 0 ? null : Math.round((of.hits / reads) * 10_000) / 10_000 };
};

const presentStrategy = ({ memory, redis: shared, immutable: _, ...of }: StrategyStats): z.input<typeof strategy> => ({
  ...of,
  memory: rated(memory),
  redis: rated(shared),
});

export const presentCacheStats = ({ since, strategies, tenant, ...stats }: CacheStats) =>
  ({
    ...stats,
    since: utcText(since),
    strategies: Object.fromEntries(Object.entries(strategies).map(([name, of]) => [name, presentStrategy(of)])),
    company: tenant,
  }) satisfies z.input<typeof cacheStatsAnswer>;
