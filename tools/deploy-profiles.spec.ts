import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { queuesConfig } from '#infra/queues';
import { redisConfig } from '#infra/redis';
import { databaseConfig, primaryPool } from '#infra/replicas';
import { shardingConfig } from '#infra/sharding';
import { projectRoot } from '#infra/testing';
import {
  activeServices,
  type Environment,
  limitsOf,
  operatorsEnvironment,
  type Profile,
  profiles,
  replicasOf,
  type Service,
  servicesOf,
} from './deploy/compose.js';
import { makeSecretsFolder } from './deploy/secrets-folder.js';
import { settingsOf } from './deploy/service-settings.js';

const gigabyte = 2 ** 30;
const full = servicesOf('tps100k');
const apps = ['api', 'websocket-gateway', 'worker'];
const stores = { redis: redisConfig, sharding: shardingConfig };
const named = (pattern: RegExp, services: Readonly<Record<string, Service>>): readonly string[] =>
  Object.keys(services).filter((name) => pattern.test(name));
const fileOf = (path: string): string => readFileSync(join(projectRoot(), path), 'utf8');

let secrets: string;
beforeAll(() => {
  secrets = makeSecretsFolder();
});
afterAll(() => rmSync(secrets, { recursive: true }));

describe('The whole product on one host', () => {
  it('[D-047] has api-1 to api-3, with two processors and 4 GB each', () => {
    expect(replicasOf(full.api as Service)).toBe(3);
    expect(limitsOf(full.api as Service)).toEqual({ cpus: 2, memoryBytes: 4 * gigabyte });
  });

  it('[A-061] can have twenty apis without an edit: HAProxy asks for them by name, and PostgreSQL has room', () => {
    const config = fileOf('deploy/haproxy/haproxy.cfg');
    const [, slots, host] = /server-template api- (\d+) "\$\{(\w+)\}".* resolvers docker /.exec(config) ?? [];
    expect(Number(slots)).toBeGreaterThanOrEqual(20);
    expect(host).toBe('API_HOST');
    // `--scale` needs a service without a name, an address or a port of the host of its own.
    expect(full.api).not.toHaveProperty('container_name');
    expect(full.api).not.toHaveProperty('ports');
    expect(full.api?.networks).toEqual(['edge', 'data']);
    expect(connectionsTo('tps100k', { API_REPLICAS: '20' })).toBeLessThanOrEqual(1_000 - 10);
  });

  it('[D-101] runs its three apps apart from each other, two gateways and two workers', () => {
    expect(replicasOf(full['websocket-gateway'] as Service)).toBe(2);
    expect(replicasOf(full.worker as Service)).toBe(2);
    for (const name of apps)
      for (const other of Object.keys(full[name]?.depends_on ?? {})) expect(apps).not.toContain(other);
  });

  it('[D-052] has workers that take 50 jobs of a queue at a time', () => {
    expect(full.worker?.command).toEqual(['dist/apps/worker/src/main.js']);
    const { queues } = settingsOf({ queues: queuesConfig }, 'worker', operatorsEnvironment('tps100k'), secrets);
    expect(queues.concurrency).toBe(50);
  });

  it('migrates before any app starts', () => {
    for (const name of apps)
      expect(full[name]?.depends_on?.migrate).toEqual({ condition: 'service_completed_successfully' });
    expect(full.migrate?.command).toEqual(['dist/apps/cli/src/main.js', 'migrate']);
  });

  it('gives each app 45 s to end what it does', () => {
    for (const name of apps) expect(full[name]?.stop_grace_period).toBe('45s');
  });

  it('[D-048] runs PostgreSQL with the sizes of the large profile', () => {
    const command = full['shard-1-primary']?.command ?? [];
    const flags = command.filter((_, n) => command[n - 1] === '-c');
    expect(flags).toEqual(
      expect.arrayContaining(['max_connections=1000', 'shared_buffers=2GB', 'effective_cache_size=6GB']),
    );
    expect(flags).toContain('config_file=/etc/praxis/postgres/large.conf');
  });

  it('has three shards, each a primary with a replica that starts after it', () => {
    for (const n of [1, 2, 3]) {
      expect(full[`shard-${n}-replica`]?.depends_on).toEqual({
        [`shard-${n}-primary`]: { condition: 'service_healthy' },
      });
      expect(full[`shard-${n}-replica`]?.environment?.PRIMARY_HOST).toBe(`shard-${n}-primary`);
    }
    const slots = Object.values(full).flatMap(({ environment }) => environment?.REPLICATION_SLOT ?? []);
    expect(new Set(slots).size).toBe(3);
  });

  it('[D-050] has HAProxy 2.8 LTS or newer on ports 80, 443 and 8404', () => {
    const [, major = '', minor = ''] = /^haproxy:(\d+)\.(\d+)\.\d+-alpine$/.exec(full.haproxy?.image ?? '') ?? [];
    expect(Number(major) * 100 + Number(minor)).toBeGreaterThanOrEqual(208);
    // HAProxy's long-term releases have even numbers.
    expect(Number(minor) % 2).toBe(0);
    expect(full.haproxy?.ports?.map((port) => port.split(':').at(-1))).toEqual(['80', '443', '8404']);
  });

  it('[A-058] has Grafana on 3001 and Prometheus on 9090', () => {
    expect(full.grafana?.ports).toEqual(['127.0.0.1:3001:3000']);
    expect(full.prometheus?.ports).toEqual(['127.0.0.1:9090:9090']);
  });
});

describe('Redis', () => {
  const clusterNodes = named(/^redis-cluster-\d+$/, full);

  it('[A-051] is twelve nodes of a cluster in profile tps100k, on ports 7000 to 7011, as the apps are told', () => {
    expect(clusterNodes).toEqual(Array.from({ length: 12 }, (_, n) => `redis-cluster-${n + 1}`));
    clusterNodes.forEach((name, n) => {
      expect(full[name]?.profiles).toContain('tps100k');
      expect(full[name]?.command).toEqual(expect.arrayContaining(['--port', String(7_000 + n)]));
      expect(full[name]?.command).toContain('/etc/praxis/redis/cluster.conf');
    });
    const { redis } = settingsOf(stores, 'api', operatorsEnvironment('tps100k'), secrets);
    expect(redis.clusterNodes).toEqual(clusterNodes.map((host, n) => ({ host, port: 7_000 + n })));
    const addresses = clusterNodes.map((name) => JSON.stringify(full[name]?.networks));
    expect(new Set(addresses).size).toBe(12);
    expect(addresses[0]).toContain('172.30.90.');
  });

  it('[A-053] has servers of their own for sessions, cache and queues: one forgets, two write everything down', () => {
    const settings = (role: string) => {
      const file = full[`redis-${role}`]?.command?.find((word) => word.endsWith('.conf')) ?? '';
      return fileOf(file.replace('/etc/praxis', 'deploy'));
    };
    expect(settings('cache')).toMatch(/^maxmemory-policy allkeys-lru$/m);
    expect(settings('cache')).toMatch(/^appendonly no$/m);
    for (const role of ['session', 'queue']) {
      expect(settings(role)).toMatch(/^maxmemory-policy noeviction$/m);
      expect(settings(role)).toMatch(/^appendonly yes$/m);
    }
    const { redis } = settingsOf(stores, 'api', operatorsEnvironment('tps100k'), secrets);
    for (const role of ['session', 'cache', 'queue'] as const)
      expect(redis[`${role}Url`]?.reveal()).toMatch(new RegExp(`^redis://:\\w{48}@redis-${role}:6379$`));
  });
});

describe('A profile', () => {
  /** Counts, processors and gigabytes. */
  const sizes = (profile: Profile, pattern: RegExp) => {
    const services = servicesOf(profile);
    return named(pattern, services).map((name) => {
      const service = services[name] as Service;
      const { cpus, memoryBytes } = limitsOf(service);
      return [replicasOf(service), cpus, memoryBytes / gigabyte];
    });
  };

  it('[E-073] recommended is three apis, PostgreSQL with two replicas, and three nodes of Redis', () => {
    expect(sizes('recommended', /^api$/)).toEqual([[3, 4, 8]]);
    expect(sizes('recommended', /^shard-\d-primary$/)).toEqual([[1, 4, 16]]);
    expect(sizes('recommended', /^shard-\d-replica/)).toHaveLength(2);
    expect(sizes('recommended', /^redis-cluster-\d+$/)).toEqual(Array(3).fill([1, 2, 4]));
    const { redis, sharding } = settingsOf(stores, 'api', operatorsEnvironment('recommended'), secrets);
    expect(redis.clusterNodes).toHaveLength(3);
    expect(sharding.shardReplicas[0]).toHaveLength(2);
  });

  it('min is one api and one PostgreSQL, and its Redis is a choice', () => {
    expect(sizes('min', /^api$/)).toEqual([[1, 2, 4]]);
    expect(sizes('min', /^shard-/)).toEqual([[1, 2, 8]]);
    expect(sizes('min', /^redis-/)).toEqual([]);
    expect(replicasOf(servicesOf('min').worker as Service)).toBe(0);
    const withRedis = activeServices({ ...operatorsEnvironment('min'), COMPOSE_PROFILES: 'min,redis' });
    expect(named(/^redis-/, withRedis)).toEqual(['redis-queue']);
    expect(limitsOf(withRedis['redis-queue'] as Service)).toEqual({ cpus: 1, memoryBytes: 2 * gigabyte });
  });

  it('enterprise is five apis, PostgreSQL with three replicas, and six nodes of Redis', () => {
    expect(sizes('enterprise', /^api$/)).toEqual([[5, 8, 16]]);
    expect(sizes('enterprise', /^shard-\d-primary$/)).toEqual([[1, 8, 32]]);
    expect(sizes('enterprise', /^shard-\d-replica/)).toHaveLength(3);
    expect(sizes('enterprise', /^redis-cluster-\d+$/)).toHaveLength(6);
  });

  it('[B-080] members is 8 processors, 8 GB for the apps and 8 GB for the database, as the capacity page says', () => {
    const inApps = sizes('members', /^(api|websocket-gateway|worker)$/) as [number, number, number][];
    const [database] = sizes('members', /^shard-/) as [number, number, number][];
    const total = (of: 1 | 2) => inApps.reduce((sum, size) => sum + size[0] * size[of], 0);
    const row = /^\| members \| (\d+) \| (\d+) GB \| (\d+) GB \|/m.exec(fileOf('docs/capacity.md'));
    expect(row?.slice(1).map(Number)).toEqual([total(1) + database![1], total(2), database![2]]);
    expect(row?.slice(1)).toEqual(['8', '8', '8']);
  });

  it.each(profiles)('%s: all pools together leave PostgreSQL ten connections', (profile) => {
    const max = Number(operatorsEnvironment(profile).POSTGRES_MAX_CONNECTIONS ?? 1_000);
    expect(connectionsTo(profile)).toBeLessThanOrEqual(max - 10);
  });

  it('[C-058] min keeps to the small PostgreSQL’s 100 connections, with a worker too', () => {
    const file = fileOf('deploy/postgres/small.conf');
    expect(file).toMatch(/^max_connections = 100$/m);
    expect(operatorsEnvironment('min').POSTGRES_MAX_CONNECTIONS).toBe('100');
    expect(connectionsTo('min', { WORKER_REPLICAS: '1' })).toBeLessThanOrEqual(100 - 10);
  });
});

/** Besides its pools: data keys, the relay to the directory and to the shard, bulk loads. */
const otherConnections = 2 + 4 + 4 + 2;

/** Most connections that all processes have to the server of the directory and shard 1, which has the most. */
function connectionsTo(profile: Profile, changed: Environment = {}): number {
  const environment = { ...operatorsEnvironment(profile), ...changed };
  const services = activeServices(environment);
  return apps.reduce((sum, name) => {
    const { database } = settingsOf({ database: databaseConfig }, name, environment, secrets);
    return sum + replicasOf(services[name] as Service) * (2 * primaryPool(database).max + otherConnections);
  }, 0);
}
