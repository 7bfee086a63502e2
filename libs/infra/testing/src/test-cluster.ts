import { LocalCluster } from './local-cluster.js';
import type { PostgresAddress } from './postgres-server.js';
import { exitOnSignals } from './processes.js';

/** What the test processes know of the cluster that runs for them. */
export interface TestCluster {
  readonly servers: readonly PostgresAddress[];
  readonly replica: PostgresAddress;
  readonly redis: { readonly host: string; readonly port: number; readonly password: string; readonly url: string };
}

const variable = 'PRAXIS_TEST_CLUSTER';

/** One cluster for a whole test run: two servers, a replica of the first, Redis. */
export async function startTestCluster(): Promise<LocalCluster> {
  exitOnSignals();
  const cluster = await LocalCluster.startTemporary({ servers: 2, replica: true, redis: true, durable: false });
  process.env[variable] = JSON.stringify(coordinatesOf(cluster));
  return cluster;
}

/** The cluster of this test run. */
export function testCluster(): TestCluster {
  const text = process.env[variable];
  if (text === undefined)
    throw new Error(`${variable} is not set: start the tests through Jest, without PRAXIS_NO_CLUSTER`);
  return JSON.parse(text) as TestCluster;
}

/** Where a cluster’s servers are. */
export function coordinatesOf(cluster: LocalCluster): TestCluster {
  const { servers, replica, redis } = cluster;
  if (replica === undefined || redis === undefined) throw new Error('the test cluster has a replica and Redis');
  const address = ({ host, port, superuser }: PostgresAddress): PostgresAddress => ({ host, port, superuser });
  return {
    servers: servers.map(address),
    replica: address(replica),
    redis: { host: redis.host, port: redis.port, password: redis.password, url: redis.url },
  };
}
