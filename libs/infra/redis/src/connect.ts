import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { type RedisRole, type RoleAddress, rolePolicies } from './roles.js';

export type RedisConnection = Redis | Cluster;

const firstRetryMs = 50;
const maxRetryMs = 5_000;
const connectTimeoutMs = 2_000;
/** A server that owes an answer for this long is taken for dead, and its connection is made anew. */
const silenceTimeoutMs = 2_000;
/** A socket that does not close by itself in this time is destroyed. */
const disconnectTimeoutMs = 500;
const slotsRefreshTimeoutMs = 2_000;
const maxRedirections = 4;

/** Retries for ever: 50 ms, then twice as long each time, at most 5 s, with a tenth of jitter. */
export function retryDelayMs(attempt: number, random = Math.random()): number {
  const delayMs = Math.min(firstRetryMs * 2 ** Math.min(attempt - 1, 20), maxRetryMs);
  return Math.round(delayMs * (0.9 + random * 0.1));
}

/** After a failover the old primary answers READONLY: a new connection finds the new one. */
const reconnectOnError = (error: Error): boolean => error.message.startsWith('READONLY');

function optionsOf(role: RedisRole) {
  const { commandTimeoutMs, maxRetries } = rolePolicies[role];
  return {
    connectionName: `praxis:${role}`,
    connectTimeout: connectTimeoutMs,
    disconnectTimeout: disconnectTimeoutMs,
    maxRetriesPerRequest: maxRetries,
    autoResendUnfulfilledCommands: maxRetries !== 0,
    reconnectOnError,
    ...(commandTimeoutMs === null ? {} : { commandTimeout: commandTimeoutMs, socketTimeout: silenceTimeoutMs }),
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
  return new Cluster([...address.nodes], {
    redisOptions: { ...options, ...access },
    enableOfflineQueue: waitsForConnection,
    clusterRetryStrategy: (attempt) => retryDelayMs(attempt),
    slotsRefreshTimeout: slotsRefreshTimeoutMs,
    shardedSubscribers: role === 'realtime',
    maxRedirections: waitsForConnection ? 16 : maxRedirections,
  });
}
