import pg from 'pg';
import type { InstallationOptions, MigratedDatabase } from './options.js';

export const lockTimeoutMs = 1_000;
export const statementTimeoutMs = 60_000;
const connectTimeoutMs = 5_000;
/** As pg_stat_activity and other migrators see it. */
export const applicationName = 'praxis:migrate';

/** Nothing waits for a lock for longer than a second, and what a killed migrator holds is given back within one. */
export const settings = [
  `lock_timeout=${lockTimeoutMs}`,
  `statement_timeout=${statementTimeoutMs}`,
  `idle_in_transaction_session_timeout=${statementTimeoutMs}`,
  'client_connection_check_interval=1000',
];

type Address = Pick<InstallationOptions, 'admin'>;

/** A connection as the admin, to the database itself or to another one of its server, closed after `work`. */
export async function asAdmin<T>(
  database: MigratedDatabase,
  options: Address,
  name: string | undefined,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    connectionString: adminUrl(database, options, name),
    application_name: applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    // The one that holds the lock is silent for as long as a migration takes.
    keepAlive: true,
    options: settings.map((setting) => `-c ${setting}`).join(' '),
  });
  // A connection that is lost fails the statements on it; unheard, it would end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

export function adminUrl(database: MigratedDatabase, { admin }: Address, name?: string): string {
  const url = new URL(database.url.reveal());
  url.username = encodeURIComponent(admin.user);
  url.password = encodeURIComponent(admin.password.reveal());
  if (name !== undefined) url.pathname = `/${name}`;
  return url.toString();
}

/** The name that its server knows it by. */
export const nameThere = ({ url }: MigratedDatabase): string => new URL(url.reveal()).pathname.slice(1);

/** SQLSTATE, or the code of one of our own errors. */
export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '');

/** Whether a table of this name is there. */
export async function isThere(client: pg.Client, table: string): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    `public.${table}`,
  ]);
  return rows[0]?.there === true;
}
