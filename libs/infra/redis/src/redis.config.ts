import { flag, integer, list, optional, secret, secretUrl, slice, text, type Values } from '#infra/config';

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

const hostPattern = /^[A-Za-z0-9_.-]{1,253}$|^[0-9A-Fa-f:.]{2,45}$/;
const nodePattern = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]{1,253})):(\d{1,5})$/;

const node = {
  shape: 'host:port',
  parse: (value: string): NodeAddress => {
    const match = nodePattern.exec(value);
    const port = Number(match?.[3]);
    const host = match?.[1] ?? match?.[2];
    if (host === undefined || port < 1 || port > 65_535) throw new Error('must be a list of host:port');
    return { host, port };
  },
};

function parseHost(value: string): string {
  if (!hostPattern.test(value)) throw new Error('must be a host name or an address, without port');
  return value;
}

const protocols = ['redis', 'rediss'];
const roleUrl = (env: string, role: string) =>
  optional(secretUrl(env, protocols, { description: `Redis of its own for ${role}, instead of the common one` }));

export const redisConfig = slice(
  'Redis',
  {
    url: optional(
      secretUrl('REDIS_URL', protocols, {
        description: 'one Redis for everything; wins over REDIS_HOST and its parts',
      }),
    ),
    host: {
      ...text('REDIS_HOST', { description: 'host, where no url is given', default: '127.0.0.1' }),
      shape: 'host',
      parse: parseHost,
    },
    port: integer('REDIS_PORT', {
      description: 'port, where no url is given',
      min: 1,
      max: 65_535,
      default: 6_379,
    }),
    db: integer('REDIS_DB', {
      description: 'number of the database, where no url is given; a cluster has only 0',
      min: 0,
      max: 15,
      default: 0,
    }),
    password: optional(
      secret('REDIS_PASSWORD', { description: 'password, where no url is given; also of the cluster' }),
    ),
    tls: flag('REDIS_TLS', {
      description: 'encrypt connections that no url describes; urls say so with rediss://',
      default: false,
    }),
    clusterNodes: list('REDIS_CLUSTER_NODES', node, {
      description: 'some nodes of a Redis Cluster, from which the others are found; wins over REDIS_URL',
      default: [],
    }),
    cacheUrl: roleUrl('REDIS_CACHE_URL', 'the cache (may evict)'),
    queueUrl: roleUrl('REDIS_QUEUE_URL', 'queues (must not evict)'),
    sessionUrl: roleUrl('REDIS_SESSION_URL', 'sessions'),
    realtimeUrl: roleUrl('REDIS_REALTIME_URL', 'realtime messages'),
    limitsUrl: roleUrl('REDIS_LIMITS_URL', 'rate limits'),
  },
  ({ db, clusterNodes }) =>
    db !== 0 && clusterNodes.length > 0
      ? [`REDIS_DB must be 0 with REDIS_CLUSTER_NODES, not ${db}: a cluster has one database`]
      : [],
);
export type RedisConfig = Values<(typeof redisConfig)['variables']>;
