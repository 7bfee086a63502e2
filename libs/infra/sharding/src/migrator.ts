import pg from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import type { Secret } from '#infra/config';
import type { Clock } from '#infra/kernel';
import { directoryName } from './databases.js';

type MigrationClass = new () => MigrationInterface;

export interface MigratedDatabase {
  readonly name: string;
  /** The app's own url; the migrator connects to the same server and database with the admin's credentials. */
  readonly url: Secret;
}

export interface RolePasswords {
  readonly app: string;
  readonly readOnly: string;
  readonly relay: string;
}

export interface MigratorOptions {
  readonly admin: { readonly user: string; readonly password: Secret };
  readonly directory: MigratedDatabase;
  readonly shards: readonly MigratedDatabase[];
  readonly migrations: { readonly directory: readonly MigrationClass[]; readonly shard: readonly MigrationClass[] };
  readonly passwords: RolePasswords;
  readonly clock: Clock;
  /** One line for each step, for the operator's eyes. */
  readonly report: (line: string) => void;
}

const lockKey = 4_801_120_926;
const lockTimeoutMs = 1_000;

/**
 * Brings the directory and then every shard, one after the other, to this build's schema, as praxis_owner, under one
 * lock for the whole installation; then the directory knows every shard. Safe to run again; the first failure stops it and is kept in schema_version.
 */
export async function migrate(options: MigratorOptions): Promise<void> {
  const all = [options.directory, ...options.shards];
  for (const database of all) await prepare(database, options);
  const lock = new pg.Client({ connectionString: adminUrl(options.directory, options) });
  await lock.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [lockKey]);
    for (const database of all) await migrateOne(database, lock, options);
    const ids = options.shards.map(({ name }) => name);
    await lock.query('insert into shard (id) select unnest($1::text[]) on conflict do nothing', [ids]);
  } finally {
    await lock.end();
  }
}

async function migrateOne(database: MigratedDatabase, directory: pg.Client, options: MigratorOptions): Promise<void> {
  const source = new DataSource({
    type: 'postgres',
    url: adminUrl(database, options),
    migrations: [...(database.name === directoryName ? options.migrations.directory : options.migrations.shard)],
    migrationsTransactionMode: 'each',
    installExtensions: false,
    extra: { max: 2, options: `-c role=praxis_owner -c lock_timeout=${lockTimeoutMs}` },
  });
  await source.initialize();
  const startedAt = new Date(options.clock.now());
  try {
    const done = await source.runMigrations();
    for (const { name } of done)
      await note(directory, database.name, name, 'done', null, startedAt, new Date(options.clock.now()));
    options.report(
      `${database.name}: ${done.length === 0 ? 'up to date' : `ran ${done.map((m) => m.name).join(', ')}`}`,
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown';
    await note(directory, database.name, 'next', 'failed', reason, startedAt, null).catch(() => undefined);
    throw error;
  } finally {
    await source.destroy();
  }
}

async function note(
  directory: pg.Client,
  database: string,
  migration: string,
  state: 'done' | 'failed',
  error: string | null,
  startedAt: Date,
  finishedAt: Date | null,
): Promise<void> {
  await directory.query(
    `insert into schema_version (database, migration, state, error, started_at, finished_at)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (database, migration) do update
       set state = $3, error = $4, finished_at = $6, attempts = schema_version.attempts + 1`,
    [database, migration, state, error, startedAt, finishedAt],
  );
}

/** The four roles, their passwords, the database and who may connect. Needs a role that may create roles and databases. */
async function prepare(database: MigratedDatabase, options: MigratorOptions): Promise<void> {
  const name = new URL(database.url.reveal()).pathname.slice(1);
  await asAdmin(database, options, 'postgres', async (client) => {
    for (const statement of roleStatements(client, options.passwords)) await client.query(statement);
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)} owner praxis_owner`);
  });
  await asAdmin(database, options, name, async (client) => {
    await client.query(`
      revoke all on database ${client.escapeIdentifier(name)} from public;
      revoke all on schema public from public;
      alter schema public owner to praxis_owner;
      grant connect on database ${client.escapeIdentifier(name)} to praxis_app, praxis_ro, praxis_relay;
      grant usage on schema public to praxis_app, praxis_ro, praxis_relay;`);
  });
}

function roleStatements(client: pg.Client, passwords: RolePasswords): string[] {
  const login = (role: string, password: string): string[] => [
    ensure(role, 'login nosuperuser nobypassrls nocreatedb nocreaterole'),
    `alter role ${role} password ${client.escapeLiteral(password)}`,
  ];
  return [
    `set password_encryption = 'scram-sha-256'`,
    ensure('praxis_owner', 'nologin bypassrls'),
    ...login('praxis_app', passwords.app),
    ...login('praxis_ro', passwords.readOnly),
    ...login('praxis_relay', passwords.relay),
  ];
}

const ensure = (role: string, attributes: string): string =>
  `do $$ begin create role ${role} ${attributes}; exception when duplicate_object or unique_violation then null; end $$`;

async function asAdmin(
  database: MigratedDatabase,
  options: MigratorOptions,
  name: string,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl(database, options, name) });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function adminUrl(database: MigratedDatabase, { admin }: MigratorOptions, name?: string): string {
  const url = new URL(database.url.reveal());
  url.username = encodeURIComponent(admin.user);
  url.password = encodeURIComponent(admin.password.reveal());
  if (name !== undefined) url.pathname = `/${name}`;
  return url.toString();
}
