import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { ConfigError, parseConfig } from '#infra/config';
import { retryDelayMs } from './connect.js';
import { redisConfig } from './redis.config.js';
import { addressOf, redisRoles, rolePolicies } from './roles.js';

const parse = (environment: Record<string, string>) => parseConfig({ redis: redisConfig }, environment).redis;

function mistakesOf(environment: Record<string, string>): readonly string[] {
  try {
    parse(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
  }
  return [];
}

describe('settings of Redis', () => {
  it('without any, mean one server on this machine', () => {
    expect(addressOf(parse({}), 'cache')).toEqual({
      kind: 'host',
      host: '127.0.0.1',
      port: 6379,
      db: 0,
      password: undefined,
      tls: false,
    });
  });

  it('[B-043] with REDIS_URL and no list of cluster nodes, mean one server', () => {
    const address = addressOf(parse({ REDIS_URL: 'redis://localhost:6379' }), 'limits');
    expect(address.kind === 'url' && address.url.reveal()).toBe('redis://localhost:6379');
  });

  it('[E-080] REDIS_URL is taken, shown redacted, and named when it is malformed', () => {
    const config = parse({ REDIS_URL: 'redis://:topsecret@redis.local:6380/2' });
    expect(config.url?.reveal()).toContain('redis.local:6380');
    expect(JSON.stringify(config) + inspect(config)).not.toContain('topsecret');
    expect(JSON.stringify(config)).toContain('"url":"***"');
    expect(mistakesOf({ REDIS_URL: 'http://x:topsecret@y' })).toEqual([expect.stringMatching(/^REDIS_URL must/)]);
    expect(mistakesOf({ REDIS_URL: 'http://x:topsecret@y' }).join()).not.toContain('topsecret');
  });

  it('[C-067] REDIS_HOST is taken, and named when it is malformed', () => {
    expect(parse({ REDIS_HOST: 'redis.local' })).toMatchObject({ host: 'redis.local' });
    expect(mistakesOf({ REDIS_HOST: 'redis.local:6379' })).toEqual([expect.stringMatching(/^REDIS_HOST must/)]);
  });

  it('[C-068] REDIS_PORT is taken, and named when it is malformed', () => {
    expect(parse({ REDIS_PORT: '6390' })).toMatchObject({ port: 6390 });
    for (const port of ['six', '0', '65536', '63.9'])
      expect(mistakesOf({ REDIS_PORT: port })).toEqual([expect.stringMatching(/^REDIS_PORT must/)]);
  });

  it('[C-069] REDIS_DB chooses a database of a single server; with a cluster only 0 boots', () => {
    expect(addressOf(parse({ REDIS_DB: '3' }), 'sessions')).toMatchObject({ kind: 'host', db: 3 });
    const cluster = 'a.local:7000,b.local:7001';
    expect(mistakesOf({ REDIS_DB: '3', REDIS_CLUSTER_NODES: cluster })).toEqual([
      'REDIS_DB must be 0 with REDIS_CLUSTER_NODES, not 3: a cluster has one database',
    ]);
    expect(mistakesOf({ REDIS_DB: '0', REDIS_CLUSTER_NODES: cluster })).toEqual([]);
  });

  it('take the password from a file too, and print it nowhere', () => {
    const folder = mkdtempSync(join(tmpdir(), 'redis-config-'));
    try {
      writeFileSync(join(folder, 'password'), 'topsecret\n');
      const config = parse({ REDIS_PASSWORD_FILE: join(folder, 'password') });
      expect(config.password?.reveal()).toBe('topsecret');
      expect(JSON.stringify(config) + inspect(config)).not.toContain('topsecret');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('list the nodes of a cluster, IPv6 in brackets; a node without port is a mistake', () => {
    const nodes = Array.from({ length: 12 }, (_, n) => `redis-cluster-${n + 1}:${7000 + n}`);
    expect(parse({ REDIS_CLUSTER_NODES: nodes.join(', ') }).clusterNodes).toHaveLength(12);
    expect(parse({ REDIS_CLUSTER_NODES: '[::1]:7000' }).clusterNodes).toEqual([{ host: '::1', port: 7000 }]);
    for (const bad of ['redis', 'redis:0', 'redis:70000', '::1:7000', 'a b:7000'])
      expect(mistakesOf({ REDIS_CLUSTER_NODES: bad })).toEqual([expect.stringMatching(/^REDIS_CLUSTER_NODES must/)]);
  });

  it('let the url of a role win over the cluster, and the cluster over REDIS_URL', () => {
    const config = parse({
      REDIS_URL: 'redis://common',
      REDIS_CLUSTER_NODES: 'a:7000',
      REDIS_CACHE_URL: 'redis://cache',
      REDIS_QUEUE_URL: 'redis://queues',
      REDIS_SESSION_URL: 'redis://sessions',
      REDIS_REALTIME_URL: 'redis://realtime',
      REDIS_LIMITS_URL: 'redis://limits',
    });
    for (const role of redisRoles) {
      const address = addressOf(config, role);
      expect(address.kind === 'url' && address.url.reveal()).toBe(`redis://${role}`);
    }
    expect(addressOf({ ...config, cacheUrl: undefined }, 'cache')).toMatchObject({ kind: 'cluster' });
    const single = { ...config, cacheUrl: undefined, clusterNodes: [] };
    expect(addressOf(single, 'cache')).toEqual({ kind: 'url', url: config.url });
  });
});

describe('behaviour by role', () => {
  it('retries for ever, from 50 ms to 5 s with a tenth of jitter', () => {
    expect([1, 2, 3, 7, 8, 1_000_000].map((attempt) => retryDelayMs(attempt, 1))).toEqual([
      50, 100, 200, 3200, 5000, 5000,
    ]);
    expect(retryDelayMs(8, 0)).toBe(4500);
  });

  it('never sends a command of cache, limits or sessions twice, and bounds how long it takes', () => {
    for (const role of ['cache', 'limits', 'sessions'] as const) {
      expect(rolePolicies[role]).toMatchObject({ waitsForConnection: false, maxRetries: 0 });
      expect(rolePolicies[role].commandTimeoutMs).toBeLessThanOrEqual(250);
    }
    expect(rolePolicies.queues).toMatchObject({ waitsForConnection: true, commandTimeoutMs: null, maxRetries: null });
  });
});
