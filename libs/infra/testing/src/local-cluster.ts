import { join } from 'node:path';
import { systemClock } from '#infra/kernel';
import { type ClusterState, readState, writeState } from './cluster-state.js';
import { type HomeLock, lockHome } from './home-lock.js';
import { onPort } from './on-port.js';
import { makeHome, StackError, stackHome } from './places.js';
import { giveBackPort } from './ports.js';
import { type PostgresPlan, PostgresServer } from './postgres-server.js';
import type { PostgresSettings } from './postgres-settings.js';
import { startStandby } from './postgres-standby.js';
import { RedisCluster } from './redis-cluster.js';
import { RedisServer } from './redis-server.js';
import { removeHome, stopLeftServers, temporaryHome } from './temporary-home.js';

/** Ports to take when they are free. */
export interface ClusterPorts {
  readonly servers?: readonly number[];
  readonly replica?: number;
  readonly redis?: number;
  readonly redisNodes?: readonly number[];
}

export interface ClusterPlan {
  /** Folder of data, passwords and logs; kept until somebody deletes it. */
  readonly home: string;
  /** 1…3 PostgreSQL servers. */
  readonly servers: number;
  /** A streaming replica of the first server. */
  readonly replica: boolean;
  /** True: what is acknowledged survives a crash. False: fast, for data that is thrown away. */
  readonly durable: boolean;
  /** 'cluster': six nodes instead of one server. */
  readonly redis: boolean | 'cluster';
  readonly ports?: ClusterPorts;
  /** Settings of every PostgreSQL server beyond the usual ones; they win. */
  readonly postgres?: PostgresSettings;
  /** Hears one line per thing worth telling, such as a port in use. */
  readonly note?: (line: string) => void;
}

/** Another run holds the home. */
export class ClusterRunsError extends StackError {
  constructor(readonly pid: number) {
    super(`process ${pid} already runs the servers of this folder`);
  }
}

interface Parts {
  readonly servers: readonly PostgresServer[];
  readonly replica: PostgresServer | undefined;
  readonly redis: RedisServer | undefined;
  readonly redisCluster: RedisCluster | undefined;
}

const maxServers = 3;
const superuserName = 'postgres';

/** A small real cluster: PostgreSQL servers, a streaming replica, Redis. It stops all and only what it started. */
export class LocalCluster {
  readonly servers: readonly PostgresServer[];
  readonly replica: PostgresServer | undefined;
  readonly redis: RedisServer | undefined;
  readonly redisCluster: RedisCluster | undefined;
  private stopped = false;

  private constructor(
    readonly home: string,
    private readonly lock: HomeLock,
    private readonly temporary: boolean,
    parts: Parts,
  ) {
    this.servers = parts.servers;
    this.replica = parts.replica;
    this.redis = parts.redis;
    this.redisCluster = parts.redisCluster;
  }

  static start(plan: ClusterPlan): Promise<LocalCluster> {
    return LocalCluster.open(plan, false);
  }

  /** In a folder of its own, on free ports; `stop()` removes everything. */
  static async startTemporary(plan: Omit<ClusterPlan, 'home' | 'ports'>): Promise<LocalCluster> {
    const home = await temporaryHome(systemClock.now());
    try {
      return await LocalCluster.open({ ...plan, home }, true);
    } catch (error) {
      removeHome(home);
      throw error;
    }
  }

  private static async open(plan: ClusterPlan, temporary: boolean): Promise<LocalCluster> {
    if (plan.servers < 1 || plan.servers > maxServers)
      throw new StackError(`1 to ${maxServers} servers, not ${plan.servers}`);
    makeHome(plan.home);
    const lock = lockHome(plan.home);
    if ('heldBy' in lock) throw new ClusterRunsError(lock.heldBy);
    try {
      if (await stopLeftServers(plan.home)) plan.note?.('stopped the servers that an earlier run had left behind');
      return new LocalCluster(plan.home, lock, temporary, await startParts(plan));
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Makes the database when it does not exist yet. */
  async createDatabase(serverIndex: number, name: string, template?: string): Promise<void> {
    const server = this.servers[serverIndex];
    if (server === undefined) throw new StackError(`there is no server ${serverIndex}`);
    await server.asSuperuser(async (client) => {
      const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
      if (rowCount !== 0) return;
      const from = template === undefined ? '' : ` template ${client.escapeIdentifier(template)}`;
      await client.query(`create database ${client.escapeIdentifier(name)}${from}`);
    });
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    try {
      await stopParts(this);
    } finally {
      this.lock.release();
      this.removeTemporary();
    }
  }

  /** For the last moment of a process that cannot wait any more: signals only. */
  stopWithoutWaiting(): void {
    if (this.stopped) return;
    this.stopped = true;
    for (const part of partsOf(this)) part.stopWithoutWaiting();
    this.lock.release();
    this.removeTemporary();
  }

  private removeTemporary(): void {
    if (this.temporary) removeHome(this.home);
  }
}

/** All servers at once; when one fails, those that came up are stopped and the failure is thrown. */
async function startParts(plan: ClusterPlan): Promise<Parts> {
  const state = readState(plan.home);
  const starting = Array.from({ length: plan.servers }, (_, n) => startPrimary(n, plan, state));
  const outcomes = await Promise.allSettled([
    ...starting,
    plan.replica ? starting[0]?.then((first) => startReplica(first, plan, state)) : undefined,
    plan.redis === true ? startRedis(plan, state) : undefined,
    plan.redis === 'cluster' ? startRedisCluster(plan, state) : undefined,
  ]);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  const up = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined));
  const parts = {
    servers: up.slice(0, plan.servers).filter((part) => part instanceof PostgresServer),
    replica: up.slice(plan.servers).find((part) => part instanceof PostgresServer),
    redis: up.find((part) => part instanceof RedisServer),
    redisCluster: up.find((part) => part instanceof RedisCluster),
  };
  if (failed !== undefined) {
    await stopParts(parts);
    throw failed.reason;
  }
  writeState(plan.home, { ...state, ports: { ...state.ports, ...portsOf(parts) } });
  return parts;
}

const silence = (): void => {};

const startPrimary = (n: number, plan: ClusterPlan, state: ClusterState): Promise<PostgresServer> =>
  onPort(
    {
      what: `PostgreSQL ${n + 1}`,
      preferred: [plan.ports?.servers?.[n], state.ports.servers?.[n]],
      note: plan.note ?? silence,
    },
    (port) => PostgresServer.start(postgresPlan(plan, state, `postgres-${n + 1}`, port)),
  );

const startReplica = (first: PostgresServer, plan: ClusterPlan, state: ClusterState): Promise<PostgresServer> =>
  onPort(
    { what: 'the replica', preferred: [plan.ports?.replica, state.ports.replica], note: plan.note ?? silence },
    (port) => startStandby(first, postgresPlan(plan, state, 'postgres-1-replica', port)),
  );

const startRedis = (plan: ClusterPlan, state: ClusterState): Promise<RedisServer> =>
  onPort({ what: 'Redis', preferred: [plan.ports?.redis, state.ports.redis], note: plan.note ?? silence }, (port) =>
    RedisServer.start({
      binariesHome: stackHome(),
      dataDir: join(plan.home, 'redis'),
      port,
      password: plan.durable ? state.redisPassword : '',
      durability: plan.durable ? 'durable' : 'fast',
      note: plan.note ?? silence,
    }),
  );

/** Nodes find each other by the ports of the last run, so those come first. */
const startRedisCluster = (plan: ClusterPlan, state: ClusterState): Promise<RedisCluster> =>
  RedisCluster.start({
    home: plan.home,
    password: state.redisPassword,
    durability: plan.durable ? 'durable' : 'fast',
    ports: state.ports.redisNodes ?? plan.ports?.redisNodes ?? [],
    note: plan.note ?? silence,
  });

const postgresPlan = (plan: ClusterPlan, state: ClusterState, folder: string, port: number): PostgresPlan => ({
  binariesHome: stackHome(),
  dataDir: join(plan.home, folder),
  port,
  superuser: { user: superuserName, password: state.superuserPassword },
  durability: plan.durable ? 'durable' : 'fast',
  ...(plan.postgres === undefined ? {} : { settings: plan.postgres }),
});

const partsOf = ({ replica, redis, redisCluster, servers }: Parts) =>
  [replica, redis, redisCluster, ...servers].filter((part) => part !== undefined);

/** The replica first: a primary waits for it otherwise. Everything is tried before a failure is thrown. */
async function stopParts(parts: Parts): Promise<void> {
  const first = await Promise.allSettled([parts.replica?.stop()]);
  const rest = await Promise.allSettled([
    parts.redis?.stop(),
    parts.redisCluster?.stop(),
    ...parts.servers.map((server) => server.stop()),
  ]);
  for (const part of [parts.replica, parts.redis, ...parts.servers]) if (part !== undefined) giveBackPort(part.port);
  const failed = [...first, ...rest].find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function portsOf(parts: Parts): ClusterState['ports'] {
  return {
    servers: parts.servers.map((server) => server.port),
    ...(parts.replica === undefined ? {} : { replica: parts.replica.port }),
    ...(parts.redis === undefined ? {} : { redis: parts.redis.port }),
    ...(parts.redisCluster === undefined ? {} : { redisNodes: parts.redisCluster.nodes.map(({ port }) => port) }),
  };
}
