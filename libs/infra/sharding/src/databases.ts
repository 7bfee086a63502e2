import type { Secret, Values } from '#infra/config';
import type { Clock } from '#infra/kernel';
import {
  type BreakerState,
  type DatabaseConfig,
  NodePool,
  type PoolNews,
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

/** Why a database is not served: it has never answered, or its schema is not this build’s. */
interface Refusal {
  readonly why: string;
  readonly cause: unknown;
}

const retryAfterMs = 5_000;

/** Who hears of the connections of the pool of this role. */
export type PoolWatch = (database: string, role: string) => PoolNews;

/** Every pool of the process: the directory and its keys, each shard with its replicas; those of relay and bulk, opened when asked for. */
export class Databases {
  readonly directory: ReplicaSet;
  /** The directory again, for data keys alone: a transaction that asks for one may hold the last connection of another pool. */
  readonly keys: NodePool;
  readonly #shards: ReadonlyMap<string, ReplicaSet>;
  readonly #relays = new Map<string, NodePool>();
  readonly #replicaRelays = new Map<NodePool, NodePool>();
  readonly #bulks = new Map<string, NodePool>();
  readonly #urls: ReadonlyMap<string, Secret>;
  readonly #refused = new Map<string, Refusal>();
  readonly #beforeEnd: (() => Promise<void>)[] = [];
  #started = false;
  #watch: PoolWatch | undefined;

  constructor(private readonly options: DatabasesOptions) {
    const { sharding, clock } = options;
    const { balancing, lagMultiplier } = options.database;
    const urls = new Map<string, Secret>([[directoryName, sharding.directoryUrl]]);
    const shards = new Map<string, ReplicaSet>();
    sharding.shardUrls.forEach((url, index) => {
      if (!url) return;
      const id = `shard-${index + 1}`;
      const replicas = replicasOf(sharding, index).map((r) => this.#replicaPool(id, r));
      urls.set(id, url);
      shards.set(id, new ReplicaSet(this.#primaryPool(id, url), replicas, clock, balancing, lagMultiplier));
    });
    this.directory = new ReplicaSet(this.#primaryPool(directoryName, sharding.directoryUrl), [], clock);
    this.keys = this.#pool(directoryName, 'keys', sharding.directoryUrl.reveal(), 0, keysPoolMax, { writable: true });
    this.#shards = shards;
    this.#urls = urls;
  }

  get budget(): BudgetWords {
    return this.options.database;
  }

  get shardIds(): readonly string[] {
    return [...this.#shards.keys()];
  }

  /** Throws shard.unavailable where it is not served. */
  shard(id: string): ReplicaSet {
    this.expectServed(id);
    return this.setOf(id);
  }

  /** Served or not, to ask after its health. */
  setOf(database: string): ReplicaSet {
    const found = database === directoryName ? this.directory : this.#shards.get(database);
    if (!found) throw fail('shard.unavailable', { internal: `${database} is not configured`, retryAfterMs });
    return found;
  }

  /** From now on nobody gets to it, until `serve`. */
  refuse(database: string, why: string, cause: unknown): void {
    this.#refused.set(database, { why, cause });
  }

  serve(database: string): void {
    this.#refused.delete(database);
  }

  refusalOf(database: string): string | undefined {
    return this.#refused.get(database)?.why;
  }

  /** Throws shard.unavailable, for the reason that is its cause. */
  expectServed(database: string): void {
    const refusal = this.#refused.get(database);
    if (refusal === undefined) return;
    const { why: internal, cause } = refusal;
    throw fail('shard.unavailable', { internal, cause, retryAfterMs });
  }

  /** Runs before the pools close. */
  beforeEnd(work: () => Promise<void>): void {
    this.#beforeEnd.push(work);
  }

  /** The pool of role praxis_relay on one database. */
  relay(database: string): NodePool {
    if (database !== directoryName) this.expectServed(database);
    const known = this.#relays.get(database);
    if (known) return known;
    const url = this.#urls.get(database);
    if (!url) throw fail('shard.unavailable', { internal: `${database} is not configured` });
    const pool = this.#relayPool(database, url, true);
    this.#relays.set(database, pool);
    return pool;
  }

  /** The same on the server of one of its replicas. */
  relayOn(database: string, replica: NodePool): NodePool {
    const known = this.#replicaRelays.get(replica);
    if (known) return known;
    const place = this.shard(database).replicas.indexOf(replica);
    const url = replicasOf(this.options.sharding, indexOf(database))[place];
    if (!url) throw fail('shard.unavailable', { internal: `${database} has no such replica` });
    const pool = this.#relayPool(database, url, false);
    this.#replicaRelays.set(replica, pool);
    return pool;
  }

  /** Connections to a shard's primary that take COPY, one statement at a time and for longer than a request lasts. */
  bulk(shardId: string): NodePool {
    this.expectServed(shardId);
    const known = this.#bulks.get(shardId);
    if (known) return known;
    const url = this.#urls.get(shardId);
    if (!url) throw fail('shard.unavailable', { internal: `${shardId} is not configured`, retryAfterMs });
    const pool = this.#pool(shardId, 'bulk', url.reveal(), 0, bulkPoolMax, {
      pipeline: false,
      writable: true,
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
    for (const pool of [this.keys, ...this.#opened()]) pool.start();
    for (const set of [this.directory, ...this.#shards.values()]) set.start();
  }

  /** From now on `watch` hears of the connections of every pool: of those that are there, and of those to come. */
  watchPools(watch: PoolWatch): void {
    this.#watch = watch;
    for (const [name, set] of [[directoryName, this.directory] as const, ...this.#shards]) {
      set.primary.news = watch(name, 'primary');
      set.replicas.forEach((pool, n) => {
        pool.news = watch(name, `replica-${n + 1}`);
      });
    }
    this.keys.news = watch(directoryName, 'keys');
    for (const [name, pool] of this.#relays) pool.news = watch(name, 'relay');
    for (const [name, pool] of this.#bulks) pool.news = watch(name, 'bulk');
  }

  /** What this process may open on each server, however many databases it finds there. */
  demands(): readonly ServerDemand[] {
    const { sharding } = this.options;
    const of = (name: string, url: Secret, pool: NodePool, more: number) => ({ name, url, pool, more });
    const pools = [
      of(directoryName, sharding.directoryUrl, this.directory.primary, relayPoolMax + keysPoolMax),
      ...[...this.#shards].flatMap(([id, set]) => {
        const url = this.#urls.get(id);
        const replicas = replicasOf(sharding, indexOf(id));
        const primary = url ? [of(id, url, set.primary, relayPoolMax + bulkPoolMax)] : [];
        const further = set.replicas.flatMap((pool, n) =>
          replicas[n] ? [of(id, replicas[n], pool, relayPoolMax)] : [],
        );
        return [...primary, ...further];
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
    await Promise.all(this.#beforeEnd.splice(0).map((work) => work()));
    const pools = [this.directory, this.keys, ...this.#shards.values(), ...this.#opened()];
    await Promise.all(pools.map((pool) => pool.end()));
  }

  /** The pools that are there only since somebody asked for them. */
  #opened(): readonly NodePool[] {
    return [...this.#relays.values(), ...this.#replicaRelays.values(), ...this.#bulks.values()];
  }

  #relayPool(database: string, address: Secret, writable: boolean): NodePool {
    const url = new URL(address.reveal());
    url.username = 'praxis_relay';
    url.password = encodeURIComponent(this.options.sharding.relayPassword.reveal());
    return this.#pool(database, 'relay', url.toString(), 0, relayPoolMax, { writable });
  }

  #primaryPool(database: string, url: Secret): NodePool {
    const { min, max } = primaryPool(this.options.database);
    return this.#pool(database, 'primary', url.reveal(), min, max, { writable: true });
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
    const { database: words } = this.options;
    const { acquireTimeoutMs, createTimeoutMs, idleTimeoutMs, evictIntervalMs, statementTimeoutMs } = words;
    const { queueLimit, preparedStatements, breakerFailures } = words;
    const times = { acquireTimeoutMs, createTimeoutMs, idleTimeoutMs, evictIntervalMs, statementTimeoutMs };
    const applicationName = `${this.options.applicationName}:${role}:${database}`;
    const pool = new NodePool(
      url,
      { min, max, queueLimit, preparedStatements, breakerFailures, ...times, applicationName, ...own },
      (error) => this.options.onIdleError(database, error),
      (state, error) => this.options.onBreaker?.(database, role, state, error),
    );
    pool.news = this.#watch?.(database, role);
    if (this.#started) pool.start();
    return pool;
  }
}

const indexOf = (shardId: string): number => Number(shardId.slice('shard-'.length)) - 1;

const replicasOf = ({ shardReplicas, readReplicas }: ShardingConfig, index: number): readonly Secret[] =>
  shardReplicas[index] ?? (index === 0 ? readReplicas : []);

export const directoryName = 'directory';
