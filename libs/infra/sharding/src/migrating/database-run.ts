import { DataSource, type QueryRunner } from 'typeorm';
import { monotonicMs } from '#infra/kernel';
import { adminUrl, applicationName, settings } from './admin.js';
import { fill } from './backfill.js';
import { buildIndex } from './concurrent-index.js';
import { type LockWait, withLockRetries } from './lock-retries.js';
import { fail } from './migration.errors.js';
import type { Migration, Phase, Step } from './migration.js';
import { type MigratedDatabase, type MigratorOptions, type Pacing, pacingOf } from './options.js';
import type { StepWork } from './step-work.js';
import type { VersionNotes } from './version-notes.js';

export interface RunParts {
  readonly database: MigratedDatabase;
  readonly options: MigratorOptions;
  readonly notes: VersionNotes;
  /** Another database has failed: nothing new begins. */
  readonly stopped: () => boolean;
  /** Throws where a step may not run now. */
  readonly mayRun: (database: string, step: Step) => Promise<void>;
}

export interface Outcome {
  readonly ran: number;
  /** Contracts that nobody has asked for. */
  readonly waiting: readonly string[];
}

/** The migrations of one database, on one connection as praxis_owner. */
export class DatabaseRun implements StepWork {
  readonly #pacing: Pacing;

  private constructor(
    private readonly parts: RunParts,
    readonly runner: QueryRunner,
  ) {
    this.#pacing = pacingOf(parts.options);
  }

  static async within<T>(parts: RunParts, work: (run: DatabaseRun) => Promise<T>): Promise<T> {
    const source = new DataSource({
      type: 'postgres',
      url: adminUrl(parts.database, parts.options),
      applicationName,
      installExtensions: false,
      extra: { max: 2, options: ['role=praxis_owner', ...settings].map((each) => `-c ${each}`).join(' ') },
    });
    await source.initialize();
    const runner = source.createQueryRunner();
    try {
      const run = new DatabaseRun(parts, runner);
      await run.#own();
      return await work(run);
    } finally {
      await runner.release().catch(() => undefined);
      await source.destroy();
    }
  }

  get name(): string {
    return this.parts.database.name;
  }

  get notes(): VersionNotes {
    return this.parts.notes;
  }

  /** Names of what has run here. */
  async #applied(): Promise<ReadonlySet<string>> {
    const rows: { name: string }[] = await this.runner.query('select name from migrations');
    return new Set(rows.map(({ name }) => name));
  }

  /**
   * Runs what is missing of these phases, in order; an earlier step that is left for later stops all that follow it. A
   * contract that another database has seen through already is due here as well: a new shard looks like the others.
   */
  async advance(steps: readonly Step[], phases: ReadonlySet<Phase>): Promise<Outcome> {
    const applied = await this.#applied();
    await this.parts.notes.ran(this.name, [...applied]);
    const missing = steps.filter(({ name }) => !applied.has(name));
    const elsewhere = await this.parts.notes.doneAnywhere();
    const isDue = ({ name, phase }: Step) => phases.has(phase) || (phase === 'contract' && elsewhere.has(name));
    const waiting = missing.filter((step) => step.phase === 'contract' && !isDue(step));
    const next = missing.filter((step) => !waiting.includes(step));
    const end = next.findIndex((step) => !isDue(step));
    const ready = end === -1 ? next : next.slice(0, end);
    for (const step of ready) {
      this.expectGoingOn(step);
      await this.#step(step);
    }
    return { ran: ready.length, waiting: waiting.map(({ name }) => name) };
  }

  retried<T>(step: Step, work: () => Promise<T>): Promise<T> {
    return withLockRetries(this.#pacing, work, (wait) => this.#tellOfWait(step, wait));
  }

  rest(ms: number): Promise<void> {
    return this.#pacing.sleep(ms);
  }

  say(step: Step, text: string): void {
    this.parts.options.report(`${this.name}: ${step.name} ${text}`);
  }

  expectGoingOn({ name }: Step): void {
    if (this.parts.stopped())
      throw fail('migration.unfinished', {
        internal: `${this.name}: stopped at ${name} because another database failed`,
      });
  }

  async withSettings<T>(wanted: Readonly<Record<string, number>>, work: () => Promise<T>): Promise<T> {
    for (const [name, ms] of Object.entries(wanted)) await this.runner.query(`set ${name} = ${ms}`);
    try {
      return await work();
    } finally {
      // A connection that was lost has nothing to set back.
      for (const name of Object.keys(wanted)) await this.runner.query(`reset ${name}`).catch(() => undefined);
    }
  }

  async watching<Row>(sql: string): Promise<readonly Row[]> {
    await this.runner.query('set role none');
    try {
      return await this.runner.query(sql);
    } finally {
      await this.runner.query('set role praxis_owner');
    }
  }

  async #inTransaction<T>(work: () => Promise<T>): Promise<T> {
    await this.runner.startTransaction();
    try {
      const value = await work();
      await this.runner.commitTransaction();
      return value;
    } catch (error) {
      await this.runner.rollbackTransaction().catch(() => undefined);
      throw error;
    }
  }

  async #step(step: Step): Promise<void> {
    const { notes, mayRun } = this.parts;
    await mayRun(this.name, step);
    const startedAt = monotonicMs();
    await notes.begun(this.name, step);
    try {
      await this.#perform(step, step.migration);
    } catch (error) {
      // The failure itself is what matters, also where the directory cannot be told.
      await notes.failed(this.name, step, error).catch(() => undefined);
      this.say(step, `FAILED: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
    await notes.done(this.name, step);
    this.say(step, `done (${step.phase}, ${Math.round(monotonicMs() - startedAt)} ms)`);
  }

  async #perform(step: Step, migration: Migration): Promise<void> {
    if ('backfill' in migration) await fill(this, step, migration.backfill);
    else if ('indexes' in migration) for (const index of migration.indexes) await buildIndex(this, step, index);
    else await this.#plainly(step, migration);
    if (!('up' in migration)) await this.#record(step);
  }

  /** The statements and the record of them in one transaction. */
  #plainly(step: Step, migration: Extract<Migration, { up: unknown }>): Promise<void> {
    return this.retried(step, async () => {
      // Between two attempts somebody may have started a build that needs the old shape.
      await this.parts.mayRun(this.name, step);
      return this.#inTransaction(async () => {
        if (migration.longestMs !== undefined)
          await this.runner.query(`set local statement_timeout = ${Math.round(migration.longestMs)}`);
        await migration.up(this.runner);
        await this.#record(step);
      });
    });
  }

  async #record({ name, version, phase }: Step): Promise<void> {
    const values = [version, name, phase];
    await this.runner.query('insert into migrations ("timestamp", name, phase) values ($1, $2, $3)', values);
  }

  async #tellOfWait(step: Step, { attempt, waitMs }: LockWait): Promise<void> {
    const why = `attempt ${attempt} found no lock${await this.#oldestTransaction()}`;
    this.say(step, `${why}; again in ${(waitMs / 1_000).toFixed(1)} s`);
    await this.parts.notes.waits(this.name, step, why);
  }

  async #oldestTransaction(): Promise<string> {
    const [row] = await this.watching<{ text: string }>(oldestTransaction);
    return row ? `; the oldest transaction there is ${row.text}` : '';
  }

  /** The list of what has run is the migrator's own. A later build reads from it what a database may not be used without. */
  async #own(): Promise<void> {
    const [row]: { there: boolean }[] = await this.runner.query(
      `select exists (select from pg_attribute where attrelid = to_regclass('public.migrations') and attname = 'phase') as there`,
    );
    if (row?.there) return;
    await withLockRetries(
      this.#pacing,
      () => this.#inTransaction(() => this.runner.query(ownTable)),
      async ({ attempt }) => this.parts.options.report(`${this.name}: attempt ${attempt} found no lock on migrations`),
    );
  }
}

const ownTable = `
create table if not exists migrations (id serial primary key, "timestamp" bigint not null, name varchar not null);
alter table migrations add column phase text not null default 'expand' check (phase in ('expand', 'backfill', 'contract'));`;
/** Who has been at it for longest, as a hint: by now the lock may have passed to somebody else. */
const oldestTransaction = `
select 'server process ' || pid || ' (' || coalesce(nullif(application_name, ''), 'unnamed') || '), '
       || ceil(extract(epoch from clock_timestamp() - xact_start)) || ' s old' as text
  from pg_stat_activity
 where xact_start is not null and pid <> pg_backend_pid() and datname = current_database() and backend_type = 'client backend'
 order by xact_start limit 1`;
