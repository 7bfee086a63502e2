import { join } from 'node:path';
import type { LocalCluster } from './local-cluster.js';
import type { Login, PostgresAddress } from './postgres-server.js';
import type { StackSecrets } from './stack-secrets.js';

export type Environment = Readonly<Record<string, string>>;

const directoryDatabase = 'praxis_directory';
const shardDatabase = (n: number): string => `praxis_shard_${n}`;

type Address = Pick<PostgresAddress, 'host' | 'port'>;

/** A shard on servers that are not the cluster's. They know the same superuser. */
export interface FurtherShard {
  readonly primary: Address;
  readonly replica?: Address;
}

export const postgresUrl = ({ host, port }: Address, login: Login, database: string): string =>
  `postgres://${login.user}:${login.password}@${host}:${port}/${database}`;

/**
 * What every app of a local stack has in common: the directory on server 1, shard n on server n, further ones after them.
 * Only this machine is served, and a drain waits for no load balancer.
 */
export function stackEnvironment(
  cluster: LocalCluster,
  secrets: StackSecrets,
  furtherShards: readonly FurtherShard[] = [],
): Environment {
  const app = { user: 'praxis_app', password: secrets.appPassword };
  const readOnly = { user: 'praxis_ro', password: secrets.readOnlyPassword };
  const [first] = cluster.servers;
  return {
    NODE_ENV: 'production',
    HTTP_HOST: '127.0.0.1',
    WORKER_HOST: '127.0.0.1',
    GATEWAY_HOST: '127.0.0.1',
    AGENT_HOST: '127.0.0.1',
    DRAIN_WAIT: '0',
    GATEWAY_DRAIN_SPREAD: '0',
    ...(first === undefined ? {} : { DIRECTORY_URL: postgresUrl(first, app, directoryDatabase) }),
    ...Object.fromEntries(
      cluster.servers.map((server, n) => [`SHARD_${n + 1}_URL`, postgresUrl(server, app, shardDatabase(n + 1))]),
    ),
    ...(cluster.replica === undefined
      ? {}
      : { SHARD_1_REPLICAS: postgresUrl(cluster.replica, readOnly, shardDatabase(1)) }),
    ...Object.fromEntries(
      furtherShards.flatMap(({ primary, replica }, n) => {
        const number = cluster.servers.length + n + 1;
        const url = [`SHARD_${number}_URL`, postgresUrl(primary, app, shardDatabase(number))] as const;
        if (replica === undefined) return [url];
        return [url, [`SHARD_${number}_REPLICAS`, postgresUrl(replica, readOnly, shardDatabase(number))] as const];
      }),
    ),
    DB_RELAY_PASSWORD: secrets.relayPassword,
    ...(cluster.redis === undefined ? {} : { REDIS_URL: cluster.redis.url }),
    ...cluster.redisCluster?.env,
    ROOT_KEY: secrets.rootKey,
    TOKEN_SIGNING_KEY: secrets.tokenSigningKey,
    ...(process.env.SMTP_URL ? {} : { MAIL_FOLDER: join(cluster.home, 'mail') }),
  };
}

/** What only the operator's command line knows besides. */
export function operatorEnvironment(cluster: LocalCluster, secrets: StackSecrets): Environment {
  const [first] = cluster.servers;
  return {
    DB_READONLY_PASSWORD: secrets.readOnlyPassword,
    ...(first === undefined
      ? {}
      : { DB_ADMIN_USER: first.superuser.user, DB_ADMIN_PASSWORD: first.superuser.password }),
  };
}
