import type { OnApplicationShutdown } from '@nestjs/common';
import { Cluster, type Redis } from 'ioredis';
import { monotonicMs } from '#infra/kernel';
import type { Log, Metrics } from '#infra/telemetry';
import { type ClusterState, clusterStateIn } from './cluster-state.js';
import { type CommandCounts, CommandMeter } from './command-meter.js';
import { connect, type RedisConnection } from './connect.js';
import { end, settledWithin, waitUntilReady } from './lifecycle.js';
import { NodeWatch } from './node-watch.js';
import type { RedisConfig } from './redis.config.js';
import { fail } from './redis.errors.js';
import { addressOf, type RedisRole, redisRoles } from './roles.js';
import { watch } from './watch.js';

const pingTimeoutMs = 500;
const bootTimeoutMs = 5_000;
const maxConnections = 64;

/** Every connection to Redis of this process: one per role, made when it is first asked for, kept alive for ever. */
export class RedisConnections implements OnApplicationShutdown {
  private readonly shared = new Map<RedisRole, RedisConnection>();
  private readonly all = new Map<RedisConnection, RedisRole>();
  private readonly meter: CommandMeter;
  private readonly nodes: NodeWatch;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly config: RedisConfig,
    private readonly log: Log,
    metrics: Metrics,
  ) {
    this.meter = new CommandMeter(metrics);
    this.nodes = new NodeWatch(metrics, () => this.shared);
    metrics.observedGauge('redis_connections_ready', 'Connections to Redis that can be used.', ['role'], () =>
      redisRoles.map((role) => ({ labels: { role }, value: this.readyCount(role) })),
    );
  }

  /** The role's common connection. Never for subscribing or blocking: those need `open`. */
  get(role: RedisRole): RedisConnection {
    const connection = this.shared.get(role) ?? this.open(role);
    this.shared.set(role, connection);
    return connection;
  }

  /** One more connection with the role's behaviour, for subscriptions and blocking commands; closed with the others. */
  open(role: RedisRole): RedisConnection {
    if (this.closing !== undefined)
      throw fail('redis.closed', { internal: `a connection for ${role} was asked for after close` });
    if (this.all.size >= maxConnections)
      throw fail('redis.unreachable', { internal: `more than ${maxConnections} connections to Redis` });
    const connection = connect(role, addressOf(this.config, role));
    this.all.set(connection, role);
    this.meter.watch(connection, role);
    this.nodes.start();
    watch(connection, this.log.child({ component: 'redis', role }));
    connection.once('end', () => this.all.delete(connection));
    return connection;
  }

  /** `name` as a channel of the role's own database: publishing knows no databases, so the name must say which. */
  channel(role: RedisRole, name: string): string {
    const connection = this.get(role);
    const database = connection instanceof Cluster ? 0 : (connection.options.db ?? 0);
    return database === 0 ? name : `${name}@${database}`;
  }

  /** True once the role's connection can be used; false when it cannot be within `timeoutMs`. */
  ready(role: RedisRole, timeoutMs: number): Promise<boolean> {
    return waitUntilReady(this.get(role), timeoutMs);
  }

  /** Milliseconds until Redis answered, of a cluster every primary that is there; throws `redis.unreachable` when it did not within `timeoutMs`. */
  async ping(role: RedisRole, timeoutMs = pingTimeoutMs): Promise<number> {
    const startedAt = monotonicMs();
    if (!(await this.ready(role, timeoutMs))) throw unreachable(role, timeoutMs);
    const left = Math.max(1, timeoutMs - (monotonicMs() - startedAt));
    const answer = await settledWithin(Promise.all(serversOf(this.get(role)).map((server) => server.ping())), left);
    if (answer.status !== 'fulfilled') throw unreachable(role, timeoutMs, answer.reason);
    return monotonicMs() - startedAt;
  }

  /** What the role's cluster says of itself; null where the role has a single server. Throws `redis.unreachable`. */
  async clusterState(role: RedisRole, timeoutMs = pingTimeoutMs): Promise<ClusterState | null> {
    if (!(await this.ready(role, timeoutMs))) throw unreachable(role, timeoutMs);
    const connection = this.get(role);
    if (!(connection instanceof Cluster)) return null;
    const told = connection.nodes('master').filter(({ status }) => status === 'ready');
    const answer = await settledWithin(Promise.any(told.map((node) => node.cluster('INFO'))), timeoutMs);
    if (answer.status !== 'fulfilled') throw unreachable(role, timeoutMs, answer.reason);
    return clusterStateIn(String(answer.value));
  }

  /** Of the role's connections in this process. */
  commandCounts(role: RedisRole): CommandCounts {
    return this.meter.counts(role);
  }

  /** Throws `redis.queue_evicts` unless every server of the queues keeps all keys: BullMQ loses jobs otherwise. */
  async assertQueuePolicy(): Promise<void> {
    if (!(await this.ready('queues', bootTimeoutMs))) throw unreachable('queues', bootTimeoutMs);
    for (const server of serversOf(this.get('queues'))) {
      const info = await settledWithin(server.info('memory'), bootTimeoutMs);
      if (info.status !== 'fulfilled') throw unreachable('queues', bootTimeoutMs, info.reason);
      const policy = /^maxmemory_policy:(\S+)/m.exec(info.value)?.[1] ?? 'unknown';
      if (policy !== 'noeviction')
        throw fail('redis.queue_evicts', {
          internal: `the Redis of the queues has maxmemory-policy ${policy}: set noeviction, or name another in REDIS_QUEUE_URL`,
        });
    }
  }

  /** Lets commands that are under way finish, for at most a second, then cuts. Never throws. */
  close(): Promise<void> {
    this.nodes.stop();
    this.closing ??= Promise.all([...this.all.keys()].map(end)).then(() => undefined);
    return this.closing;
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  private readyCount(role: RedisRole): number {
    return [...this.all].filter(([connection, of]) => of === role && connection.status === 'ready').length;
  }
}

/** Every server that takes writes. */
const serversOf = (connection: RedisConnection): readonly Redis[] =>
  connection instanceof Cluster ? connection.nodes('master') : [connection];

const unreachable = (role: RedisRole, timeoutMs: number, cause?: unknown) =>
  fail('redis.unreachable', { internal: `Redis for ${role} did not answer within ${timeoutMs} ms`, cause });
