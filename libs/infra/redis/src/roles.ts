import type { Secret } from '#infra/config';
import type { NodeAddress, RedisConfig } from './redis.config.js';

/** What a connection is for. Roles may share a server; they never share a connection. */
export const redisRoles = ['cache', 'queues', 'realtime', 'limits', 'sessions'] as const;
export type RedisRole = (typeof redisRoles)[number];

/** How a role's connection behaves while Redis is slow or away. */
export interface RolePolicy {
  /** True: a command given while disconnected waits for the connection. False: it fails at once. */
  readonly waitsForConnection: boolean;
  /** After this a command has failed, whatever the server does; null: it may take for ever (blocking reads of queues). */
  readonly commandTimeoutMs: number | null;
  /** A server that owes an answer for this long is taken for dead, and its connection is made anew. */
  readonly silenceTimeoutMs: number;
  /** How many lost connections a command survives; null: any number. */
  readonly maxRetries: number | null;
  /** In a cluster: how often a command may be sent to another node, or wait 100 ms for one, before it has failed. */
  readonly maxRedirections: number;
}

const failFast = (commandTimeoutMs: number): RolePolicy => ({
  waitsForConnection: false,
  commandTimeoutMs,
  silenceTimeoutMs: 2_000,
  maxRetries: 0,
  maxRedirections: 4,
});

/**
 * Cache, limits and sessions have an answer without Redis, so they ask briefly and never twice: a command that is sent
 * again after a lost connection would count twice. BullMQ's workers need commands that outlive a lost connection.
 */
export const rolePolicies: Readonly<Record<RedisRole, RolePolicy>> = {
  cache: failFast(50),
  limits: failFast(250),
  sessions: failFast(250),
  realtime: {
    waitsForConnection: true,
    commandTimeoutMs: 1_000,
    silenceTimeoutMs: 2_000,
    maxRetries: 1,
    maxRedirections: 16,
  },
  /** Workers wait for jobs in reads of up to 10 s. */
  queues: {
    waitsForConnection: true,
    commandTimeoutMs: null,
    silenceTimeoutMs: 30_000,
    maxRetries: null,
    maxRedirections: Number.MAX_SAFE_INTEGER,
  },
};

export type RoleAddress =
  | { readonly kind: 'url'; readonly url: Secret }
  | (NodeAddress & {
      readonly kind: 'host';
      readonly db: number;
      readonly password: Secret | undefined;
      readonly tls: boolean;
    })
  | {
      readonly kind: 'cluster';
      readonly nodes: readonly NodeAddress[];
      readonly password: Secret | undefined;
      readonly tls: boolean;
    };

/** The role's own url, else the cluster, else REDIS_URL, else REDIS_HOST and its parts. */
export function addressOf(config: RedisConfig, role: RedisRole): RoleAddress {
  const own = {
    cache: config.cacheUrl,
    queues: config.queueUrl,
    realtime: config.realtimeUrl,
    limits: config.limitsUrl,
    sessions: config.sessionUrl,
  }[role];
  const { host, port, db, password, tls, clusterNodes } = config;
  if (own) return { kind: 'url', url: own };
  if (clusterNodes.length > 0) return { kind: 'cluster', nodes: clusterNodes, password, tls };
  if (config.url) return { kind: 'url', url: config.url };
  return { kind: 'host', host, port, db, password, tls };
}
