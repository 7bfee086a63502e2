import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { Audit } from '#infra/audit';
import { parseConfig, Secret } from '#infra/config';
import { cryptoConfig, RootKey, TenantCrypto } from '#infra/crypto';
import { type Clock, type Context, newId, type Plan, systemClock, type TenantContext } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { databaseConfig, WritePositions } from '#infra/replicas';
import {
  Databases,
  DirectoryKeys,
  directoryName,
  type MigratorOptions,
  migrate,
  Sharding,
  shardingConfig,
  Tenants,
} from '#infra/sharding';
import { createLog, Metrics, telemetryConfig } from '#infra/telemetry';
import { directoryMigrations, shardMigrations } from '#migrations';
import { type TestCluster, testCluster } from './test-cluster.js';

interface Address {
  readonly host: string;
  readonly port: number;
}

const identity = { app: 'test', version: '0.0.0' };
const appPassword = 'app-for-tests';
const readOnlyPassword = 'ro-for-tests';
const relayPassword = 'relay-for-tests';
const templates = { [directoryName]: 'template_directory', shard: 'template_shard' } as const;
const templateLock = 20_261_121;
const freezeLock = 20_261_122;
const deadlineMs = 30_000;
/** One root key per process: apps started beside a test open what the test sealed. */
const rootKey = randomBytes(32).toString('base64');

export interface TestDatabasesOptions {
  readonly clock?: Clock;
  /** More settings of the environment, for example small pools. */
  readonly env?: Readonly<Record<string, string>>;
  /** Servers of one's own, to stop; those of the test run unless said otherwise. */
  readonly cluster?: TestCluster;
}

/**
 * A directory, two shards on two servers and a replica of the first, cloned for one spec file from templates that are
 * migrated once; everything that an app builds on them; and the tools to look behind them.
 */
export class TestDatabases {
  readonly sharding: Sharding;
  readonly crypto: TenantCrypto;
  readonly audit: Audit;
  readonly redis: RedisConnections;
  /** Its number within that Redis. */
  readonly redisDatabase = redisDatabase();
  readonly databases: Databases;
  readonly rootKey: RootKey;
  /** Holds the turn while the replica is frozen from here. */
  #freezing: pg.Client | undefined;

  private constructor(
    readonly clock: Clock,
    /** What an app needs in its environment to run on these databases. */
    readonly env: Readonly<Record<string, string>>,
    private readonly names: Readonly<Record<string, string>>,
    private readonly cluster: TestCluster,
  ) {
    const config = parseConfig(
      {
        sharding: shardingConfig,
        database: databaseConfig,
        crypto: cryptoConfig,
        redis: redisConfig,
        telemetry: telemetryConfig,
      },
      env,
    );
    const log = createLog(config.telemetry, identity);
    this.databases = new Databases({ ...config, applicationName: 'test', clock, onIdleError: () => undefined });
    this.redis = new RedisConnections(config.redis, log, new Metrics());
    this.rootKey = new RootKey(config.crypto.rootKey);
    this.crypto = new TenantCrypto(this.rootKey, new DirectoryKeys(this.databases), clock);
    this.sharding = new Sharding({
      databases: this.databases,
      tenants: new Tenants(this.databases, clock),
      positions: new WritePositions(this.redis),
      crypto: this.crypto,
      clock,
      statementTimeoutMs: config.database.statementTimeoutMs,
    });
    this.audit = new Audit(this.sharding, clock);
  }

  static async open(options: TestDatabasesOptions = {}): Promise<TestDatabases> {
    const { clock = systemClock, env = {}, cluster = testCluster() } = options;
    await makeTemplates(cluster);
    const suffix = newId().replaceAll('-', '').slice(-12);
    const names = {
      [directoryName]: `directory_${suffix}`,
      'shard-1': `shard_1_${suffix}`,
      'shard-2': `shard_2_${suffix}`,
    };
    await clone(cluster, 0, names[directoryName] as string, templates[directoryName]);
    await clone(cluster, 0, names['shard-1'], templates.shard);
    await clone(cluster, 1, names['shard-2'], templates.shard);
    return new TestDatabases(clock, { ...environment(cluster, names), ...env }, names, cluster);
  }

  /** A new tenant and a context of our own code for it. */
  async newTenant(options: { readonly plan?: Plan; readonly shardId?: string } = {}): Promise<TenantContext> {
    const slug = `t-${newId().slice(-12)}`;
    const { id, plan } = await this.sharding.tenants.create({
      slug,
      name: `Clinic ${slug}`,
      plan: options.plan ?? 'PROFESSIONAL',
      ...(options.shardId ? { shardId: options.shardId } : {}),
    });
    return { ...this.newContext(), tenant: { id, plan } };
  }

  newContext(): Context {
    return {
      requestId: newId(),
      actor: { kind: 'system', name: 'test' },
      tenant: null,
      deadline: this.clock.now() + deadlineMs,
    };
  }

  /** SQL as superuser, past row-level security. `database` is 'directory', 'shard-1' or 'shard-2'. */
  asAdmin<Row>(database: string, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    const { user, password } = this.#server(database).superuser;
    return this.#query<Row>(database, user, password, sql, parameters);
  }

  /** SQL as the application's role, with no tenant entered. */
  asApp<Row>(database: string, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.#query<Row>(database, 'praxis_app', appPassword, sql, parameters);
  }

  asReadOnly<Row>(database: string, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.#query<Row>(database, 'praxis_ro', readOnlyPassword, sql, parameters);
  }

  /**
   * Stops the replica's replay: it goes on answering, from the past. It is the whole server's, so other spec files wait for
   * their turn until it is thawed.
   */
  async freezeReplica(): Promise<void> {
    this.#freezing ??= await this.#takeTurn();
    await this.#onReplica('select pg_wal_replay_pause()');
  }

  /** Lets the replica go on, where it was frozen from here. */
  async thawReplica(): Promise<void> {
    if (this.#freezing === undefined) return;
    await this.#onReplica('select pg_wal_replay_resume()');
    await this.#freezing.end();
    this.#freezing = undefined;
  }

  async close(): Promise<void> {
    await this.thawReplica();
    await this.sharding.onApplicationShutdown();
    await this.redis.close();
    for (const [database, name] of Object.entries(this.names)) {
      const { host, port, superuser } = this.#server(database);
      await query(
        urlOf({ host, port }, superuser.user, superuser.password, 'postgres'),
        `drop database ${name} with (force)`,
      );
    }
  }

  async #takeTurn(): Promise<pg.Client> {
    const server = this.#server('shard-1');
    const client = new pg.Client(urlOf(server, server.superuser.user, server.superuser.password, 'postgres'));
    await client.connect();
    await client.query('select pg_advisory_lock($1)', [freezeLock]);
    return client;
  }

  #server(database: string) {
    const server = this.cluster.servers[database === 'shard-2' ? 1 : 0];
    if (!server) throw new Error(`no server for ${database}`);
    return server;
  }

  #query<Row>(database: string, user: string, password: string, sql: string, parameters: readonly unknown[]) {
    return query<Row>(urlOf(this.#server(database), user, password, this.names[database] as string), sql, parameters);
  }

  async #onReplica(sql: string): Promise<void> {
    const { user, password } = this.#server('shard-1').superuser;
    await query(urlOf(this.cluster.replica, user, password, 'postgres'), sql);
  }
}

export const openTestDatabases = (options?: TestDatabasesOptions): Promise<TestDatabases> =>
  TestDatabases.open(options);

function environment(cluster: TestCluster, names: Readonly<Record<string, string>>): Record<string, string> {
  const app = (database: string, server: number) =>
    urlOf(cluster.servers[server] as Address, 'praxis_app', appPassword, names[database] as string);
  return {
    // Spec files that run one after the other share an address and a Redis: only those that are about it count them.
    RATE_LIMIT_EDGE: '1000000',
    RATE_LIMIT_ANONYMOUS: '1000000',
    RATE_LIMIT_GENERAL: '1000000',
    DIRECTORY_URL: app(directoryName, 0),
    SHARD_1_URL: app('shard-1', 0),
    SHARD_2_URL: app('shard-2', 1),
    SHARD_1_REPLICAS: urlOf(cluster.replica, 'praxis_ro', readOnlyPassword, names['shard-1'] as string),
    DB_RELAY_PASSWORD: relayPassword,
    DB_POOL_MIN: '0',
    DB_REPLICA_POOL_MIN: '0',
    // What other spec files write at the same time, or how long one keeps the replica frozen, takes it from nobody.
    REPLICA_LAG_MULTIPLIER: '100',
    ROOT_KEY: rootKey,
    REDIS_URL: `${cluster.redis.url}/${redisDatabase()}`,
    LOG_LEVEL: 'error',
  };
}

/** Each worker of Jest has one of its own. */
const redisDatabase = (): number => Number(process.env.JEST_WORKER_ID ?? '1') % 16;

/** Migrated once for a whole run, by whichever spec file comes first. */
async function makeTemplates(cluster: TestCluster): Promise<void> {
  const [first] = cluster.servers;
  if (!first) throw new Error('this run has no PostgreSQL server');
  const admin = new pg.Client(urlOf(first, first.superuser.user, first.superuser.password, 'postgres'));
  await admin.connect();
  try {
    await admin.query('select pg_advisory_lock($1)', [templateLock]);
    const ready = await admin.query(`select from pg_database where datname = 'templates_ready'`);
    if (ready.rowCount !== 0) return;
    await migrate(templatePlan(cluster));
    await admin.query('create database templates_ready');
  } finally {
    await admin.end();
  }
}

function templatePlan(cluster: TestCluster): MigratorOptions {
  const [first, second] = cluster.servers;
  if (!first || !second) throw new Error('this run has fewer than two PostgreSQL servers');
  const url = (server: Address, name: string) => new Secret(urlOf(server, 'praxis_app', appPassword, name));
  return {
    admin: { user: first.superuser.user, password: new Secret(first.superuser.password) },
    directory: { name: directoryName, url: url(first, templates[directoryName]) },
    shards: [first, second].map((server, n) => ({ name: `shard-${n + 1}`, url: url(server, templates.shard) })),
    migrations: { directory: directoryMigrations, shard: shardMigrations },
    passwords: { app: appPassword, readOnly: readOnlyPassword, relay: relayPassword },
    clock: systemClock,
    report: () => undefined,
  };
}

async function clone(cluster: TestCluster, index: number, name: string, template: string): Promise<void> {
  const server = cluster.servers[index];
  if (!server) throw new Error(`this run has no server ${index + 1}`);
  const { user, password } = server.superuser;
  await query(
    urlOf(server, user, password, 'postgres'),
    `create database ${name} template ${template} owner praxis_owner`,
  );
  await query(urlOf(server, user, password, name), databaseGrants(name));
}

/** What a template does not hand on: rights on the database itself. */
const databaseGrants = (name: string): string =>
  `revoke all on database ${name} from public; grant connect on database ${name} to praxis_app, praxis_ro, praxis_relay`;

const urlOf = ({ host, port }: Address, user: string, password: string, database: string): string =>
  `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;

async function query<Row>(url: string, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = parameters.length > 0 ? await client.query(sql, [...parameters]) : await client.query(sql);
    return rows as Row[];
  } finally {
    await client.end();
  }
}
