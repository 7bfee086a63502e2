import type pg from 'pg';
import { type Clock, toDate } from '#infra/kernel';
import { directoryName } from '../databases.js';
import { buildGoneMs } from '../running-builds.js';
import { isThere } from './admin.js';
import { fail } from './migration.errors.js';
import type { Step } from './migration.js';

export interface RunningBuild {
  readonly app: string;
  readonly processes: number;
  /** Numbers of the newest migrations that it knows. */
  readonly directory: number;
  readonly shard: number;
}

/** Builds whose processes were heard of within the last two minutes, the oldest first. */
export async function runningBuilds(directory: pg.Client, clock: Clock): Promise<readonly RunningBuild[]> {
  if (!(await isThere(directory, 'running_build'))) return [];
  const { rows } = await directory.query<RunningBuild>(
    `select app, count(*)::int as processes, directory_max::float8 as directory, shard_max::float8 as shard
       from running_build where seen_at > $1 group by app, directory_max, shard_max order by shard_max, directory_max, app`,
    [toDate(clock.now() - buildGoneMs)],
  );
  return rows;
}

/** A contract may run when every process that runs knows it: they do without what it removes. */
export async function expectNobodyNeeds(
  directory: pg.Client,
  clock: Clock,
  database: string,
  step: Step,
): Promise<void> {
  if (step.phase !== 'contract') return;
  const kind = database === directoryName ? 'directory' : 'shard';
  const older = (await runningBuilds(directory, clock)).filter((build) => build[kind] < step.version);
  if (older.length === 0) return;
  const named = older.map((build) => `${build.processes} × ${build.app} (knows ${build[kind]})`).join(', ');
  throw fail('migration.still_needed', {
    internal: `${step.name} waits until these are replaced or have been gone for ${buildGoneMs / 60_000} minutes: ${named}`,
  });
}
