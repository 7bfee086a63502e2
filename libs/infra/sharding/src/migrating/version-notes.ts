import type pg from 'pg';
import { type Clock, toDate } from '#infra/kernel';
import { isThere } from './admin.js';
import type { Step } from './migration.js';

/** How far a backfill has come. */
export interface Progress {
  readonly rows: number;
  /** As PostgreSQL's statistics guess; null where they know nothing. */
  readonly rowsExpected: number | null;
  /** Key of the last row that is done; null before the first. */
  readonly after: readonly string[] | null;
}

/** What runs where, in the directory's schema_version: the operator's view, not what decides whether a migration has run. */
export class VersionNotes {
  /** Before the directory's own foundation there is nowhere to note anything. */
  #heldBack: (() => Promise<unknown>)[] = [];
  #ready = false;

  constructor(
    private readonly directory: pg.Client,
    private readonly clock: Clock,
  ) {}

  begun(database: string, { name }: Step): Promise<void> {
    const at = this.#now();
    return this.#note(beginRow, [database, name, at]);
  }

  /** Another attempt is to follow. */
  waits(database: string, { name }: Step, why: string): Promise<void> {
    return this.#note(waitRow, [database, name, why]);
  }

  progress(database: string, { name }: Step, { rows, rowsExpected, after }: Progress): Promise<void> {
    return this.#note(progressRow, [database, name, rows, rowsExpected, after && JSON.stringify(after), this.#now()]);
  }

  done(database: string, { name }: Step): Promise<void> {
    return this.#note(doneRow, [database, name, this.#now()]);
  }

  failed(database: string, { name }: Step, error: unknown): Promise<void> {
    const reason = error instanceof Error ? error.message : String(error);
    return this.#note(`update schema_version set state = 'failed', error = $3 where database = $1 and migration = $2`, [
      database,
      name,
      reason,
    ]);
  }

  /** What a run that was killed had done without noting it. */
  async ran(database: string, names: readonly string[]): Promise<void> {
    const at = this.#now();
    for (const name of names) await this.#note(doneRow, [database, name, at]);
  }

  async doneAnywhere(): Promise<ReadonlySet<string>> {
    if (!(await this.#isReady())) return new Set();
    const { rows } = await this.directory.query<{ name: string }>(
      `select distinct migration as name from schema_version where state = 'done'`,
    );
    return new Set(rows.map(({ name }) => name));
  }

  async progressOf(database: string, { name }: Step): Promise<Progress> {
    const { rows } = await this.directory.query<{ rows: string; expected: string | null; after: string | null }>(
      'select rows_done as rows, rows_expected as expected, rows_after as after from schema_version where database = $1 and migration = $2',
      [database, name],
    );
    const { rows: done = '0', expected = null, after = null } = rows[0] ?? {};
    return {
      rows: Number(done),
      rowsExpected: expected === null ? null : Number(expected),
      after: after === null ? null : (JSON.parse(after) as string[]),
    };
  }

  #now(): Date {
    return toDate(this.clock.now());
  }

  async #note(sql: string, parameters: readonly unknown[]): Promise<void> {
    const write = () => this.directory.query(sql, [...parameters]);
    if (!(await this.#isReady())) {
      this.#heldBack.push(write);
      return;
    }
    const earlier = this.#heldBack;
    this.#heldBack = [];
    for (const each of [...earlier, write]) await each();
  }

  async #isReady(): Promise<boolean> {
    this.#ready ||= await isThere(this.directory, 'schema_version');
    return this.#ready;
  }
}

const beginRow = `
  insert into schema_version (database, migration, state, started_at) values ($1, $2, 'running', $3)
  on conflict (database, migration) do update
    set state = 'running', error = null, started_at = excluded.started_at, finished_at = null,
        attempts = schema_version.attempts + 1`;
const waitRow = `
  update schema_version set attempts = attempts + 1, error = $3 where database = $1 and migration = $2`;
const progressRow = `
  update schema_version set rows_done = $3, rows_expected = $4, rows_after = $5, noted_at = $6, error = null
   where database = $1 and migration = $2`;
const doneRow = `
  insert into schema_version (database, migration, state, started_at, finished_at) values ($1, $2, 'done', $3, $3)
  on conflict (database, migration) do update set state = 'done', error = null, finished_at = excluded.finished_at
    where schema_version.state <> 'done'`;
