import type { Secret, Values } from '#infra/config';
import type { Clock } from '#infra/kernel';
import {
  type BreakerState,
  type DatabaseConfig,
  NodePool,
  type PoolOptions,
  primaryPool,
  ReplicaSet,
} from '#infra/replicas';
import type { BudgetWords, ServerDemand } from './connection-budget.js';
import { shardingConfig } from './sharding.config.js';
import { fail } from './sharding.errors.js';

export type ShardingConfig = Values<typeof shardingConfig.variables>;

const relayPoolMax = 4;
const keysPoolMax = 2;
/** Bulk transactions of one process on one shard at a time. */
const bulkPoolMax = 2;
/** The connection's own limit; a bulk transaction's deadline cancels earlier. */
const bulkStatementTimeoutMs = 3_600_000;
const bulkIdleInTransactionTimeoutMs = 60_000;

export interface DatabasesOptions {
  readonly sharding: ShardingConfig;
  readonly database: DatabaseConfig;
  readonly applicationName: string;
  readonly clock: Clock;
  /** A connection died while idle; the pool replaces it. */
  readonly onIdleError: (database: string, error: Error) => void;
  /** Open: a server does not answer, and nobody waits for it until it does. */
  readonly onBreaker?: (database: string, role: string, state: BreakerState, error?: unknown) => void;
}

/** Every pool of the process: the directory and its keys, each shard with its replicas; those of relay and bulk, opened when asked for. */
export class Databases {
  readonly directory: ReplicaSet;
  /** The directory again, for data keys alone: a transaction that asks for one may hold the last connection of another pool. */
  readonly keys: NodePool;
  readonly #shards: ReadonlyMap<string, ReplicaSet>;
  readonly #relays = new Map<string, NodePool>();
  readonly #bulks = new Map<string, NodePool>();
  readonly #urls: ReadonlyMap<string, Secret>;
  #started = false;

  constructor(private readonly options: DatabasesOptions) {
    const { sharding, clock } = options;
    const urls = new Map<string, Secret>([[directoryName, sharding.directoryUrl]]);
    const shards = new Map<string, ReplicaSet>();
    sharding.shardUrls.forEach((url, index) => {
      if (!url) return;
      const id = `shard-${index + 1}`;
      const replicas = replicasOf(sharding, index).map((r) => this.#replicaPool(id, r));
      urls.set(id, url);
      shards.set(id, new ReplicaSet(this.#primaryPool(id, url), replicas, clock, options.database.balancing));
    });
    this.directory = new ReplicaSet(this.#primaryPool(directoryName, sharding.directoryUrl), [], clock);
    this.keys = this.#pool(directoryName, 'keys', sharding.directoryUrl.reveal(), 0, keysPoolMax);
    this.#shards = shards;
    this.#urls = urls;
  }

  get budget(): BudgetWords {
    return this.options.database;
  }

  get shardIds(): readonly string[] {
    return [...this.#shards.keys()];
  }

  shard(id: string): ReplicaSet {
    const found = this.#shards.get(id);
    if (!found) throw fail('shard.unavailable', { internal: `${id} is not configured`, retryAfterMs: 5_000 });
    return found;
  }

  /** The pool of role praxis_relay on one database. */
  relay(database: string): NodePool {
    const known = this.#relays.get(database);
    if (known) return known;
    const appUrl = this.#urls.get(database);
    if (!appUrl) throw fail('shard.unavailable', { internal: `${database} is not configured` });
    const url = new URL(appUrl.reveal());
    url.username = 'praxis_relay';
    url.password = encodeURIComponent(this.options.sharding.relayPassword.reveal());
    const pool = this.#pool(database, 'relay', url.toString(), 0, relayPoolMax);
    this.#relays.set(database, pool);
    return pool;
  }

  /** Connections to a shard's primary that take COPY, one statement at a time and for longer than a request lasts. */
  bulk(shardId: string): NodePool {
    const known = this.#bulks.get(shardId);
    if (known) return known;
    const url = this.#urls.get(shardId);
    if (!url) throw fail('shard.unavailable', { internal: `${shardId} is not configured`, retryAfterMs: 5_000 });
    const pool = this.#pool(shardId, 'bulk', url.reveal(), 0, bulkPoolMax, {
      pipeline: false,
      statementTimeoutMs: bulkStatementTimeoutMs,
      idleInTransactionTimeoutMs: bulkIdleInTransactionTimeoutMs,
    });
    this.#bulks.set(shardId, pool);
    return pool;
  }

  /** Warms the pools, watches over them and measures the lag of replicas. Never fails: what is away is asked again. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const pool of [this.keys, ...this.#relays.values(), ...this.#bulks.values()]) pool.start();
    for (const set of [this.directory, ...this.#shards.values()]) set.start();
  }

  /** What this process may open on each server, however many databases it finds there. */
  demands(): readonly ServerDemand[] {
    const { sharding } = this.options;
    const of = (name: string, url: Secret, pool: NodePool, more: number) => ({ name, url, pool, more });
    const pools = [
      of(directoryName, sharding.directoryUrl, this.directory.primary, relayPoolMax + keysPoolMax),
      ...[...this.#shards].flatMap(([id, set]) => {
        const url = this.#urls.get(id);
        const replicas = replicasOf(sharding, Number(id.slice('shard-'.length)) - 1);
        const primary = url ? [of(id, url, set.primary, relayPoolMax + bulkPoolMax)] : [];
        return [...primary, ...set.replicas.flatMap((pool, n) => (replicas[n] ? [of(id, replicas[n], pool, 0)] : []))];
      }),
    ];
    const servers = Map.groupBy(pools, ({ url }) => new URL(url.reveal()).host);
    return [...servers.values()].flatMap((there) => {
      const [first] = there;
      const connections = there.reduce((sum, { pool, more }) => sum + pool.options.max + more, 0);
      return first ? [{ databases: there.map(({ name }) => name), connections, pool: first.pool }] : [];
    });
  }

  counts() {
    return Object.fromEntries([
      [directoryName, this.directory.counts()],
      ...[...this.#shards].map(([id, set]) => [id, set.counts()] as const),
    ]);
  }

  async end(): Promise<void> {
    const opened = [...this.#relays.values(), ...this.#bulks.values()];
    const pools = [this.directory, this.keys, ...this.#shards.values(), ...opened];
    await Promise.all(pools.map((pool) => pool.end()));
  }

  #primaryPool(database: string, url: Secret): NodePool {
    const { min, max } = primaryPool(this.options.database);
    return this.#pool(database, 'primary', url.reveal(), min, max);
  }

  #replicaPool(database: string, url: Secret): NodePool {
    const { replicaPoolMin, replicaPoolMax } = this.options.database;
    return this.#pool(database, 'replica', url.reveal(), replicaPoolMin, replicaPoolMax);
  }

  #pool(
    database: string,
    role: string,
    url: string,
    min: number,
    max: number,
    own: Partial<PoolOptions> = {},
  ): NodePool {
    const { acquireTimeoutMs, createTimeoutMs, queueLimit, idleTimeoutMs, evictIntervalMs, statementTimeoutMs } =
      this.options.database;
    const times = { acquireTimeoutMs, createTimeoutMs, idleTimeoutMs, evictIntervalMs, statementTimeoutMs };
    const applicationName = `${this.options.applicationName}:${role}:${database}`;
    const pool = new NodePool(
      url,
      { min, max, queueLimit, ...times, applicationName, ...own },
      (error) => this.options.onIdleError(database, error),
      (state, error) => this.options.onBreaker?.(database, role, state, error),
    );
    if (this.#started) pool.start();
    return pool;
  }
}

const replicasOf = ({ shardReplicas, readReplicas }: ShardingConfig, index: number): readonly Secret[] =>
  shardReplicas[index] ?? (index === 0 ? readReplicas : []);

export const directoryName = 'directory';
