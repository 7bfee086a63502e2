import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { type RedisRole, type RoleAddress, rolePolicies } from './roles.js';

export type RedisConnection = Redis | Cluster;

const firstRetryMs = 50;
const maxRetryMs = 5_000;
const connectTimeoutMs = 2_000;
/** A socket that does not close by itself in this time is destroyed. */
const disconnectTimeoutMs = 500;
const slotsRefreshTimeoutMs = 2_000;
/** What no answer has told, such as a node that left the cluster, is found within this time. */
const slotsRefreshIntervalMs = 5_000;
/** While a cluster replaces a primary, a command that waits for it is tried this often. */
const clusterRetryMs = 100;

/** Retries for ever: 50 ms, then twice as long each time, at most 5 s, with a tenth of jitter. */
export function retryDelayMs(attempt: number, random = Math.random()): number {
  const delayMs = Math.min(firstRetryMs * 2 ** Math.min(attempt - 1, 20), maxRetryMs);
  return Math.round(delayMs * (0.9 + random * 0.1));
}

/** After a failover the old primary answers READONLY: a new connection finds the new one. */
const reconnectOnError = (error: Error): boolean => error.message.startsWith('READONLY');

function optionsOf(role: RedisRole) {
  const { commandTimeoutMs, silenceTimeoutMs, maxRetries } = rolePolicies[role];
  return {
    connectionName: `praxis:${role}`,
    connectTimeout: connectTimeoutMs,
    disconnectTimeout: disconnectTimeoutMs,
    maxRetriesPerRequest: maxRetries,
    autoResendUnfulfilledCommands: maxRetries !== 0,
    reconnectOnError,
    socketTimeout: silenceTimeoutMs,
    ...(commandTimeoutMs === null ? {} : { commandTimeout: commandTimeoutMs }),
  } satisfies RedisOptions;
}

/** Starts to connect at once and goes on trying; the caller listens for `error`. */
export function connect(role: RedisRole, address: RoleAddress): RedisConnection {
  const { waitsForConnection } = rolePolicies[role];
  const options = optionsOf(role);
  const single = { ...options, enableOfflineQueue: waitsForConnection, retryStrategy: (n: number) => retryDelayMs(n) };
  if (address.kind === 'url') return new Redis(address.url.reveal(), single);
  const access = {
    ...(address.password ? { password: address.password.reveal() } : {}),
    ...(address.tls ? { tls: {} } : {}),
  };
  if (address.kind === 'host') {
    const { host, port, db } = address;
    return new Redis({ ...single, ...access, host, port, db });
  }
  const cluster = new Cluster([...address.nodes], {
    redisOptions: { ...options, ...access },
    enableOfflineQueue: waitsForConnection,
    clusterRetryStrategy: (attempt) => retryDelayMs(attempt),
    slotsRefreshTimeout: slotsRefreshTimeoutMs,
    shardedSubscribers: role === 'realtime',
    ...redirectionsOf(role),
  });
  followCluster(cluster);
  return cluster;
}

/** Its slots are looked up regularly, by a timer that ends with it. */
function followCluster(cluster: Cluster): void {
  const timer = setInterval(() => {
    if (cluster.status === 'ready') cluster.refreshSlotsCache();
  }, slotsRefreshIntervalMs).unref();
  cluster.on('ready', () => connectPrimaries(cluster));
  cluster.on('refresh', () => connectPrimaries(cluster));
  cluster.once('end', () => clearInterval(timer));
}

/**
 * To be redirected (MOVED, ASK) means that the first node has done nothing, so every role follows. After a lost
 * connection nobody knows what was done: a role that never sends twice fails at once there.
 */
function redirectionsOf(role: RedisRole): ClusterOptions {
  const { maxRetries, maxRedirections } = rolePolicies[role];
  const retryDelay = maxRetries === 0 ? 0 : clusterRetryMs;
  return { maxRedirections, retryDelayOnFailover: retryDelay, retryDelayOnClusterDown: retryDelay };
}

/**
 * Otherwise a node is connected to by its first command, and refuses others meanwhile where a role does not wait. One
 * that cannot be reached is left out until the next refresh.
 */
function connectPrimaries(cluster: Cluster): void {
  if (cluster.status !== 'ready') return;
  for (const node of cluster.nodes('master')) if (node.status === 'wait') node.connect().catch(() => undefined);
}
