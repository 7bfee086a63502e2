import type { Clock, Instant } from '#infra/kernel';
import { type ClusterState, type CommandCounts, type RedisConnections, type RedisRole, redisRoles } from '#infra/redis';
import { type DatabaseNode, directoryName, type Sharding } from '#infra/sharding';
import { type CheckStatus, cachedMs, runCheck } from './readiness.js';

export interface DatabaseHealth {
  readonly name: string;
  /** `primary`, `replica-1` … */
  readonly role: string;
  readonly status: CheckStatus;
  /** `open`: it does not answer, requests to it are refused at once, and it is probed each second. */
  readonly breaker: DatabaseNode['breaker'];
  readonly latencyMs: number;
  /** Null for a primary, and where nobody knows. */
  readonly lagMs: number | null;
  readonly totalConnections: number;
  readonly activeConnections: number;
  readonly idleConnections: number;
  readonly waitingRequests: number;
  readonly maxConnections: number;
  readonly queryCount: number;
  readonly averageQueryTime: number | null;
}

export interface RedisHealth extends CommandCounts {
  readonly role: RedisRole;
  readonly status: CheckStatus;
  readonly latencyMs: number;
  /** Null where the role has a single server, or nobody knows. */
  readonly cluster: ClusterState | null;
}

export interface ServersHealth<Server> {
  readonly status: CheckStatus;
  readonly servers: readonly Server[];
}

interface Parts {
  readonly sharding: Pick<Sharding, 'nodes'>;
  readonly redis: Pick<RedisConnections, 'ping' | 'clusterState' | 'commandCounts'>;
  readonly clock: Clock;
}

/** Every server that this process works with: each has 500 ms to answer, and is asked at most once a second. */
export class ServerHealth {
  readonly databases: () => Promise<ServersHealth<DatabaseHealth>>;
  readonly caches: () => Promise<ServersHealth<RedisHealth>>;

  constructor({ sharding, redis, clock }: Parts) {
    this.databases = atMostOnceASecond(clock, async () => {
      const servers = await Promise.all(sharding.nodes.map(databaseHealth));
      return { status: statusOfDatabases(servers), servers };
    });
    this.caches = atMostOnceASecond(clock, async () => {
      const servers = await Promise.all(redisRoles.map((role) => redisHealth(redis, role)));
      return { status: servers.every(({ status }) => status === 'up') ? 'up' : 'degraded', servers };
    });
  }
}

async function databaseHealth({ database, role, breaker, connections, queries, replica, ask }: DatabaseNode) {
  const run = async (): Promise<CheckStatus> => {
    await ask();
    return replica === null || replica.inRotation ? 'up' : 'degraded';
  };
  const { total, idle, waiting, max } = connections;
  return {
    name: database,
    role,
    ...(await runCheck({ name: `${database} ${role}`, critical: false, run })),
    breaker,
    lagMs: replica?.lagMs !== undefined && Number.isFinite(replica.lagMs) ? replica.lagMs : null,
    totalConnections: total,
    activeConnections: total - idle,
    idleConnections: idle,
    waitingRequests: waiting,
    maxConnections: max,
    ...queries,
  };
}

/** Down as readiness sees it: without the directory, or without any shard. */
export function statusOfDatabases(servers: readonly Pick<DatabaseHealth, 'name' | 'role' | 'status'>[]): CheckStatus {
  const primaries = servers.filter(({ role }) => role === 'primary');
  const answers = (name: string) => primaries.some((server) => server.name === name && server.status !== 'down');
  const anyShard = primaries.some(({ name }) => name !== directoryName && answers(name));
  if (!answers(directoryName) || !anyShard) return 'down';
  return servers.every(({ status }) => status === 'up') ? 'up' : 'degraded';
}

async function redisHealth(redis: Parts['redis'], role: RedisRole): Promise<RedisHealth> {
  let cluster: ClusterState | null = null;
  const run = async (): Promise<CheckStatus> => {
    await redis.ping(role);
    cluster = await redis.clusterState(role);
    return cluster === null || cluster.state === 'ok' ? 'up' : 'degraded';
  };
  const check = await runCheck({ name: `redis-${role}`, critical: false, run });
  return { role, ...check, ...redis.commandCounts(role), cluster };
}

/** What is under way or not older than a second is everybody's answer. */
function atMostOnceASecond<T>(clock: Clock, ask: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: Instant; readonly answer: Promise<T> } | undefined;
  return () => {
    const now = clock.now();
    if (last === undefined || now - last.at >= cachedMs) last = { at: now, answer: ask() };
    return last.answer;
  };
}
