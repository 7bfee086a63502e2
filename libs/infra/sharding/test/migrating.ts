import pg from 'pg';
import type { QueryRunner } from 'typeorm';
import { Secret } from '#infra/config';
import { systemClock } from '#infra/kernel';
import { LocalCluster, type PostgresServer } from '#infra/testing';
import { directoryMigrations } from '#migrations';
import type { MigrationClass, MigratorOptions } from '../src/index.js';

const passwords = { app: `app'\\"for tests`, readOnly: 'ro', relay: 'relay' };

export interface NotedRow {
  readonly database: string;
  readonly migration: string;
  readonly state: string;
  readonly attempts: number;
  readonly error: string | null;
  readonly rows: number;
}

/** One server of the file's own: roles belong to the whole server. Installations on it are as small as their migrations. */
export class MigrationGround {
  #installations = 0;

  private constructor(
    private readonly cluster: LocalCluster,
    readonly server: PostgresServer,
  ) {}

  static async start({ replica = false } = {}): Promise<MigrationGround> {
    const cluster = await LocalCluster.startTemporary({ servers: 1, replica, redis: false, durable: false });
    return new MigrationGround(cluster, cluster.servers[0] as PostgresServer);
  }

  stop(): Promise<void> {
    return this.cluster.stop();
  }

  urlOf(name: string, user = 'praxis_app', password = passwords.app): string {
    return `postgres://${user}:${encodeURIComponent(password)}@${this.server.host}:${this.server.port}/${name}`;
  }

  /** A directory and shards that nobody has migrated. */
  installation(shards: number): Installation {
    this.#installations += 1;
    return new Installation(this, `i${this.#installations}`, shards);
  }

  /** As superuser, on the replica. */
  async onReplica(sql: string): Promise<void> {
    await this.cluster.replica?.asSuperuser((client) => client.query(sql));
  }

  /** As superuser. */
  async session(database: string, applicationName = 'another'): Promise<pg.Client> {
    const { user, password } = this.server.superuser;
    const client = new pg.Client({
      connectionString: this.urlOf(database, user, password),
      application_name: applicationName,
    });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }
}

export class Installation {
  readonly lines: string[] = [];

  constructor(
    private readonly ground: MigrationGround,
    private readonly id: string,
    public shards: number,
  ) {}

  plan(shard: readonly MigrationClass[], changed: Partial<MigratorOptions> = {}): MigratorOptions {
    const { user, password } = this.ground.server.superuser;
    const address = (name: string) => ({ name, url: new Secret(this.ground.urlOf(this.nameOf(name))) });
    return {
      admin: { user, password: new Secret(password) },
      directory: address('directory'),
      shards: Array.from({ length: this.shards }, (_, n) => address(`shard-${n + 1}`)),
      migrations: { directory: directoryMigrations, shard },
      passwords,
      clock: systemClock,
      report: (line) => this.lines.push(line),
      ...changed,
    };
  }

  nameOf(database: string): string {
    return `${this.id}_${database.replace('-', '_')}`;
  }

  session(database: string, applicationName?: string): Promise<pg.Client> {
    return this.ground.session(this.nameOf(database), applicationName);
  }

  async query<Row>(database: string, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    const client = await this.session(database);
    try {
      const { rows } = parameters.length > 0 ? await client.query(sql, [...parameters]) : await client.query(sql);
      return rows as Row[];
    } finally {
      await client.end();
    }
  }

  /** What the directory holds of the shards. */
  noted(): Promise<NotedRow[]> {
    return this.query<NotedRow>(
      'directory',
      `select database, migration, state, attempts, error, rows_done::int as rows from schema_version
        where database like 'shard-%' order by 1, right(migration, 13)`,
    );
  }

  async states(): Promise<string[]> {
    return (await this.noted()).map(
      ({ database, migration, state }) => `${database} ${migration.slice(0, -13)} ${state}`,
    );
  }
}

/** A migration of one statement, under a name that ends as names of migrations do. */
export function migration(name: string, sql: string, phase: 'expand' | 'contract' = 'expand'): MigrationClass {
  const made = class {
    readonly phase = phase;
    up(runner: QueryRunner): Promise<unknown> {
      return runner.query(sql);
    }
  };
  Object.defineProperty(made, 'name', { value: name });
  return made;
}
