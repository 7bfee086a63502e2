import pg from 'pg';
import { isAppError } from '#infra/kernel';
import type { MigratedDatabase } from '../migrating/options.js';
import type { MoverOptions } from './move.js';

/**
 * Nothing here is cut off by a server's limits, and what is committed is on disk. Texts of values look alike on every
 * server. Locks of a mover that died are given back within a second.
 */
const settings = [
  'statement_timeout=0',
  'idle_in_transaction_session_timeout=0',
  'synchronous_commit=on',
  'client_connection_check_interval=1000',
  'timezone=UTC',
  'datestyle=ISO',
  'intervalstyle=postgres',
  'extra_float_digits=1',
  'bytea_output=hex',
];
/** The password of a subscription stands in statements: the server's log gets none of them. */
const unlogged = ['log_statement=none', 'log_min_duration_statement=-1', 'log_min_error_statement=panic'];
const connectTimeoutMs = 5_000;

/** One connection of the superuser to one database. It holds locks between its statements, so PgBouncer may not be in between. */
export class Session {
  #lost: Error | undefined;

  private constructor(private readonly client: pg.Client) {
    client.on('error', (error) => {
      this.#lost = error;
    });
  }

  static async open(
    database: MigratedDatabase,
    { admin }: Pick<MoverOptions, 'admin'>,
    name?: string,
  ): Promise<Session> {
    const url = new URL(database.url.reveal());
    url.username = encodeURIComponent(admin.user);
    url.password = encodeURIComponent(admin.password.reveal());
    if (name !== undefined) url.pathname = `/${name}`;
    return Session.#connect(url, [...settings, ...unlogged]);
  }

  /** With the credentials that the address itself holds. */
  static openAs(address: string): Promise<Session> {
    return Session.#connect(new URL(address), settings);
  }

  static async #connect(url: URL, options: readonly string[]): Promise<Session> {
    const client = new pg.Client({
      connectionString: url.toString(),
      application_name: 'praxis:mover',
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      options: options.map((setting) => `-c ${setting}`).join(' '),
    });
    const session = new Session(client);
    await client.connect();
    return session;
  }

  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    if (this.#lost) throw this.#lost;
    // Without parameters a text may hold several statements, and those that refuse a transaction stand alone.
    const { rows } =
      parameters.length > 0 ? await this.client.query(sql, [...parameters]) : await this.client.query(sql);
    return rows as Row[];
  }

  async execute(sql: string, parameters: readonly unknown[] = []): Promise<number> {
    if (this.#lost) throw this.#lost;
    return (await this.client.query(sql, [...parameters])).rowCount ?? 0;
  }

  async one<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row> {
    const [row] = await this.query<Row>(sql, parameters);
    if (row === undefined) throw new Error('a statement of the mover gave no row');
    return row;
  }

  /** All statements of `work`, or none. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query('begin');
    try {
      const value = await work();
      await this.query('commit');
      return value;
    } catch (error) {
      await this.query('rollback').catch(() => undefined);
      throw error;
    }
  }

  identifier(name: string): string {
    return this.client.escapeIdentifier(name);
  }

  literal(text: string): string {
    return this.client.escapeLiteral(text);
  }

  async close(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}

/** SQLSTATE of an error of PostgreSQL, or the code of one of ours. */
export const codeOf = (error: unknown): string =>
  isAppError(error) ? error.code : String((error as { code?: unknown } | null)?.code ?? '');
