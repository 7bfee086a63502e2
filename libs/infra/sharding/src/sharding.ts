import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { TenantCrypto } from '#infra/crypto';
import type { Clock, Context, TenantContext } from '#infra/kernel';
import type { WritePositions } from '#infra/replicas';
import { assertConnectionBudget } from './connection-budget.js';
import { type Databases, directoryName } from './databases.js';
import type {
  BulkContext,
  ReadContext,
  ReadOptions,
  SystemContext,
  TenantDatabase,
  WriteContext,
  WriteOptions,
} from './db.js';
import type { FannedOut } from './fan-out.js';
import { type FanOutReadOptions, readEachDatabase, type SystemReadContext } from './fan-out-reads.js';
import { type DatabaseNode, nodesOf } from './nodes.js';
import type { DatabaseMetrics } from './sharding.metrics.js';
import { planOfStatement, type StatementOrder, type StatementStats, slowStatements } from './statement-stats.js';
import { systemTurn } from './system-turn.js';
import { RoutedDatabase } from './tenant-database.js';
import type { Tenants } from './tenants.js';
import { transact } from './transaction.js';

export interface ShardResult<T> {
  readonly database: string;
  readonly value?: T;
  readonly error?: unknown;
}

export interface ShardingParts {
  readonly databases: Databases;
  readonly tenants: Tenants;
  readonly positions: WritePositions;
  readonly crypto: TenantCrypto;
  readonly clock: Clock;
  readonly statementTimeoutMs: number;
  /** Hears how long each `ping` took. */
  readonly metrics?: DatabaseMetrics;
}

/** The only way to a database. It hands out callbacks, never handles: a connection cannot be forgotten. */
@Injectable()
export class Sharding implements TenantDatabase, OnApplicationBootstrap, OnApplicationShutdown {
  /** The tenant's own rows in the directory: users, sessions, keys. */
  readonly directory: TenantDatabase;
  readonly tenants: Tenants;
  readonly #shards: RoutedDatabase;
  readonly #databases: Databases;
  readonly #metrics: DatabaseMetrics | undefined;
  readonly #clock: Clock;

  constructor({ databases, tenants, metrics, ...parts }: ShardingParts) {
    this.tenants = tenants;
    this.#databases = databases;
    this.#metrics = metrics;
    this.#clock = parts.clock;
    this.directory = new RoutedDatabase({
      ...parts,
      locate: () => ({ database: directoryName, set: databases.directory, epoch: 0 }),
    });
    this.#shards = new RoutedDatabase({
      ...parts,
      locate: async ({ tenant }, fresh) => {
        const { shardId, epoch } = fresh ? await tenants.servedNow(tenant.id) : await tenants.byId(tenant.id);
        return { database: shardId, set: databases.shard(shardId), epoch, bulk: () => databases.bulk(shardId) };
      },
    });
  }

  read<T>(ctx: TenantContext, fn: (tx: ReadContext) => Promise<T>, options?: ReadOptions): Promise<T> {
    return this.#shards.read(ctx, fn, options);
  }

  write<T>(ctx: TenantContext, fn: (tx: WriteContext) => Promise<T>, options?: WriteOptions): Promise<T> {
    return this.#shards.write(ctx, fn, options);
  }

  /** One transaction for many rows, on a connection that takes COPY; statements may run until the Context's deadline. */
  bulk<T>(ctx: TenantContext, fn: (tx: BulkContext) => Promise<T>): Promise<T> {
    return this.#shards.bulk(ctx, fn);
  }

  writeOnce<T>(ctx: TenantContext, fn: (tx: WriteContext) => Promise<T>): Promise<T>;
  writeOnce<T, Seen>(
    ctx: TenantContext,
    fn: (tx: WriteContext, seen: Seen) => Promise<T>,
    look: (tx: ReadContext) => Promise<Seen>,
  ): Promise<T>;
  writeOnce<T, Seen>(
    ctx: TenantContext,
    fn: (tx: WriteContext, seen: Seen) => Promise<T>,
    look?: (tx: ReadContext) => Promise<Seen>,
  ): Promise<T> {
    return this.#shards.writeOnce(ctx, fn, look as (tx: ReadContext) => Promise<Seen>);
  }

  /**
   * One transaction on each shard, and on the directory when asked, as role praxis_relay: for system workers, in the
   * tables that are opened to them. A database that fails is named in the results and stops no other. `only` names the
   * one that is meant, for work that waits for no other database.
   */
  async eachShard<T>(
    ctx: Context,
    fn: (system: SystemContext) => Promise<T>,
    options: { readonly directory?: boolean; readonly only?: string } = {},
  ): Promise<ShardResult<T>[]> {
    const all = [...(options.directory ? [directoryName] : []), ...this.#databases.shardIds];
    const names = options.only === undefined ? all : [options.only];
    return Promise.all(
      names.map(async (database) => {
        try {
          const { value } = await transact(this.#databases.relay(database), 'write', systemTurn, (db) =>
            fn({ ...ctx, database, db }),
          );
          return { database, value };
        } catch (error) {
          return { database, error };
        }
      }),
    );
  }

  /**
   * One read-only transaction on each shard, for operators and analytics, as role praxis_relay: on a replica where one is
   * in rotation. Eight databases at a time, 3 s each; one that is away is named and the others' answers stand, unless
   * `onError: 'fail'`.
   */
  readEachShard<T>(
    ctx: Context,
    fn: (system: SystemReadContext) => Promise<T>,
    options?: FanOutReadOptions,
  ): Promise<FannedOut<T>> {
    return readEachDatabase({ databases: this.#databases, clock: this.#clock }, ctx, fn, options);
  }

  /** What PostgreSQL has counted of the application's statements, at most 20 of each server; no values. */
  slowStatements(order: StatementOrder): Promise<FannedOut<readonly StatementStats[]>> {
    return slowStatements(this.#databases, order);
  }

  /** The plan of one of them, whatever its parameters; it is not run. */
  planOfStatement(server: string, fingerprint: string): Promise<readonly string[]> {
    return planOfStatement(this.#databases, server, fingerprint);
  }

  /** Connections per database and role, for metrics and health. */
  poolCounts() {
    return this.#databases.counts();
  }

  /** Every server behind the databases of this process, as they stand now. */
  get nodes(): readonly DatabaseNode[] {
    return nodesOf(this.#databases);
  }

  /** Resolves when the database answers a statement and is served by this process. */
  async ping(database: string): Promise<void> {
    const { primary } = this.#databases.setOf(database);
    const ask = () => transact(primary, 'read', null, async () => undefined);
    await (this.#metrics?.probe(database, ask) ?? ask());
    this.#databases.expectServed(database);
  }

  get databaseNames(): readonly string[] {
    return [directoryName, ...this.#databases.shardIds];
  }

  /**
   * From now on pools are warm, and replicas that are close behind their primary get reads. Throws database.over_budget
   * when all processes together may want more connections than a server takes.
   */
  async onApplicationBootstrap(): Promise<void> {
    await assertConnectionBudget(this.#databases.demands(), this.#databases.budget);
    this.#databases.start();
    this.tenants.listen();
  }

  async onApplicationShutdown(): Promise<void> {
    this.tenants.stopListening();
    await this.#databases.end();
  }
}
