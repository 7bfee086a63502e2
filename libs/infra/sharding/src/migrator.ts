import pg from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import type { Secret } from '#infra/config';
import { type Clock, type Instant, toDate } from '#infra/kernel';
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

/** Held while migrations run, in the database `postgres` beside the directory; movers hold it shared. */
export const migrationLockKey = 4_801_120_926;
const lockTimeoutMs = 1_000;

/**
 * Brings the directory and then every shard, one after the other, to this build's schema, as praxis_owner, under one
 * lock for the whole installation; then the directory knows every shard. Safe to run again; the first failure stops it
 * and is kept in schema_version.
 */
export async function migrate(options: MigratorOptions): Promise<void> {
  const all = [options.directory, ...options.shards];
  await asAdmin(options.directory, options, 'postgres', async (lock) => {
    await lock.query('select pg_advisory_lock($1)', [migrationLockKey]);
    for (const database of all) await prepare(database, options);
    for (const database of all) await migrateOne(database, options);
    await registerShards(options);
  });
}

async function migrateOne(database: MigratedDatabase, options: MigratorOptions): Promise<void> {
  const migrations = [...(database.name === directoryName ? options.migrations.directory : options.migrations.shard)];
  const source = new DataSource({
    type: 'postgres',
    url: adminUrl(database, options),
    migrations,
    migrationsTransactionMode: 'each',
    installExtensions: false,
    extra: { max: 2, options: `-c role=praxis_owner -c lock_timeout=${lockTimeoutMs}` },
  });
  await source.initialize();
  const run: Run = {
    database: database.name,
    names: migrations.map(({ name }) => name),
    startedAt: options.clock.now(),
  };
  try {
    const done = await source.runMigrations();
    await note(source, run, null, options);
    options.report(
      `${database.name}: ${done.length === 0 ? 'up to date' : `ran ${done.map((m) => m.name).join(', ')}`}`,
    );
  } catch (error) {
    // Where even the directory's foundation failed there is nowhere to note it.
    await note(source, run, error, options).catch(() => undefined);
    throw error;
  } finally {
    await source.destroy();
  }
}

const registerShards = (options: MigratorOptions): Promise<void> =>
  asAdmin(options.directory, options, undefined, async (directory) => {
    const ids = options.shards.map(({ name }) => name);
    await directory.query('insert into shard (id) select unnest($1::text[]) on conflict do nothing', [ids]);
  });

interface Run {
  readonly database: string;
  readonly names: readonly string[];
  readonly startedAt: Instant;
}

/** What has run, and the one that did not: the first that is missing. */
async function note(source: DataSource, run: Run, error: unknown, options: MigratorOptions): Promise<void> {
  const ran = new Set((await source.query<{ name: string }[]>('select name from migrations')).map(({ name }) => name));
  const reason = error instanceof Error ? error.message : 'unknown';
  const rows = run.names
    .slice(0, run.names.findLastIndex((name) => ran.has(name)) + (error === null ? 1 : 2))
    .map((name) => (ran.has(name) ? ([name, 'done', null] as const) : ([name, 'failed', reason] as const)));
  await asAdmin(options.directory, options, undefined, async (directory) => {
    for (const row of rows)
      await directory.query(noteRow, [run.database, ...row, toDate(run.startedAt), toDate(options.clock.now())]);
  });
}

const noteRow = `
  insert into schema_version (database, migration, state, error, started_at, finished_at)
  values ($1, $2, $3, $4, $5, case $3 when 'done' then $6::timestamptz end)
  on conflict (database, migration) do update
    set state = excluded.state, error = excluded.error, started_at = excluded.started_at,
        finished_at = excluded.finished_at, attempts = schema_version.attempts + 1
    where schema_version.state <> 'done'`;

/**
 * The four roles, their passwords, the database and who may connect. Needs a superuser, or from PostgreSQL 16 on a role
 * with CREATEROLE, CREATEDB and BYPASSRLS.
 */
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
      grant create on database ${client.escapeIdentifier(name)} to praxis_owner;
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
    'grant praxis_owner to current_user',
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
  name: string | undefined,
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
