import type pg from 'pg';
import type { Clock, Instant } from '#infra/kernel';
import { directoryName } from '../databases.js';
import { asAdmin, isThere } from './admin.js';
import { type RunningBuild, runningBuilds } from './builds.js';
import { type Phase, stepsOf } from './migration.js';
import type { InstallationOptions, MigratedDatabase } from './options.js';
import { canaryOf } from './roll-out.js';

export interface StepStatus {
  readonly name: string;
  readonly state: 'running' | 'done' | 'failed';
  readonly attempts: number;
  readonly startedAt: Instant;
  readonly finishedAt: Instant | null;
  readonly error: string | null;
  /** Of a backfill. */
  readonly rows: number;
  readonly rowsExpected: number | null;
}

export interface DatabaseStatus {
  readonly name: string;
  /** Newest migration that ran, 13 digits; 0 for none, null where the database cannot be asked. */
  readonly version: number | null;
  /** Why it cannot be asked. */
  readonly error: string | null;
  readonly pending: readonly { readonly name: string; readonly phase: Phase }[];
  /** The step that is under way or failed, else the one that ended last. */
  readonly step: StepStatus | null;
}

export interface MigrationStatus {
  readonly databases: readonly DatabaseStatus[];
  /** The shard that the next run begins with. */
  readonly canary: string | null;
  readonly builds: readonly RunningBuild[];
}

/** What has run, what is missing, and which builds are at work. Changes nothing; a database that is away is named. */
export async function migrationStatus(
  options: InstallationOptions & { readonly canary?: string },
): Promise<MigrationStatus> {
  const noted = await fromDirectory(options);
  const all = [options.directory, ...options.shards];
  const databases = await Promise.all(all.map((database) => statusOf(database, options, noted.steps)));
  return { databases, canary: noted.canary, builds: noted.builds };
}

interface Noted {
  readonly steps: ReadonlyMap<string, StepStatus>;
  readonly canary: string | null;
  readonly builds: readonly RunningBuild[];
}

async function fromDirectory(options: InstallationOptions & { readonly canary?: string }): Promise<Noted> {
  const [first] = options.shards;
  const nothing = { steps: new Map(), canary: options.canary ?? first?.name ?? null, builds: [] };
  try {
    return await asAdmin(options.directory, options, undefined, (client) => notedIn(client, options, nothing));
  } catch (error) {
    if ((error as { code?: unknown }).code === databaseMissing) return nothing;
    throw error;
  }
}

async function notedIn(
  client: pg.Client,
  options: InstallationOptions & { readonly canary?: string; readonly clock: Clock },
  nothing: Noted,
): Promise<Noted> {
  if (!(await isThere(client, 'schema_version'))) return nothing;
  const { rows } = await client.query<StepStatus & { readonly database: string }>(newestSteps);
  return {
    steps: new Map(rows.map((row) => [row.database, row])),
    canary: (await canaryOf(client, options))?.name ?? null,
    builds: await runningBuilds(client, options.clock),
  };
}

const databaseMissing = '3D000';

async function statusOf(
  database: MigratedDatabase,
  options: InstallationOptions,
  noted: ReadonlyMap<string, StepStatus>,
): Promise<DatabaseStatus> {
  const { name } = database;
  const steps = stepsOf(options.migrations[name === directoryName ? 'directory' : 'shard']);
  const missing = (applied: ReadonlySet<string>) =>
    steps.filter((each) => !applied.has(each.name)).map((each) => ({ name: each.name, phase: each.phase }));
  const known = { name, step: noted.get(name) ?? null };
  try {
    const applied = await asAdmin(database, options, undefined, appliedIn);
    const version = Math.max(0, ...applied.map((each) => Number(each.version)));
    return { ...known, version, error: null, pending: missing(new Set(applied.map((each) => each.name))) };
  } catch (error) {
    if ((error as { code?: unknown }).code === databaseMissing)
      return { ...known, version: 0, error: null, pending: missing(new Set()) };
    return { ...known, version: null, error: error instanceof Error ? error.message : String(error), pending: [] };
  }
}

async function appliedIn(client: pg.Client): Promise<readonly { name: string; version: string }[]> {
  if (!(await isThere(client, 'migrations'))) return [];
  return (await client.query<{ name: string; version: string }>('select name, "timestamp" as version from migrations'))
    .rows;
}

const newestSteps = `
  select distinct on (database) database, migration as name, state, attempts, error,
         extract(epoch from started_at)::float8 * 1000 as "startedAt",
         extract(epoch from finished_at)::float8 * 1000 as "finishedAt",
         coalesce((to_jsonb(v) ->> 'rows_done')::float8, 0) as rows, (to_jsonb(v) ->> 'rows_expected')::float8 as "rowsExpected"
    from schema_version v
   order by database, state = 'done', finished_at desc nulls first, right(migration, 13) desc`;
