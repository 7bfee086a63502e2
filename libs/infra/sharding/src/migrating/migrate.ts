import type pg from 'pg';
import { asAdmin, isThere } from './admin.js';
import { underMigrationLock } from './lock.js';
import { fail } from './migration.errors.js';
import { type Phase, phases, stepsOf } from './migration.js';
import type { InstallationOptions, MigratorOptions } from './options.js';
import { prepare } from './prepare.js';
import { expectCanary, type Outcome, RollOut } from './roll-out.js';
import { migrationStatus } from './status.js';
import { VersionNotes } from './version-notes.js';

/**
 * Brings the directory and every shard to this build's schema, as praxis_owner, under one lock for the whole installation;
 * then the directory knows every shard. First everything that only adds, everywhere, so that the new build may start; then
 * the backfills; what only former builds need is removed only when `contract` asks for it. Safe to run again; the first
 * failure stops it and is kept in schema_version.
 */
export async function migrate(options: MigratorOptions): Promise<void> {
  expectCanary(options);
  const steps = { directory: stepsOf(options.migrations.directory), shard: stepsOf(options.migrations.shard) };
  await underMigrationLock(options, async () => {
    for (const database of [options.directory, ...options.shards]) await prepare(database, options);
    await asAdmin(options.directory, options, undefined, async (directory) => {
      const notes = new VersionNotes(directory, options.clock);
      const rollOut = new RollOut({ options, directory, notes, steps });
      for (const round of await roundsOf(directory, options)) await rollOut.round(new Set(round));
      for (const [name, outcome] of rollOut.outcomes) options.report(tell(name, outcome));
      for (const id of await register(directory, options)) options.report(`${id}: registered`);
    });
  });
}

const adding: readonly Phase[] = ['expand'];
const filling: readonly Phase[] = ['expand', 'backfill'];

/** Where nothing has run yet nobody needs a former schema, and everything runs in order. */
async function roundsOf(directory: pg.Client, options: MigratorOptions): Promise<readonly (readonly Phase[])[]> {
  if (!(await isThere(directory, 'schema_version'))) return [phases];
  return options.contract === true ? [adding, filling, phases] : [adding, filling];
}

function tell(name: string, { ran, waiting }: Outcome): string {
  const done = ran === 0 ? 'up to date' : `ran ${ran}`;
  return waiting.length === 0 ? `${name}: ${done}` : `${name}: ${done}; only with --contract: ${waiting.join(', ')}`;
}

/**
 * What `migrate` ends with, by itself: the directory learns of the shards that it did not know, and answers which. Throws
 * migration.refused for one that has not been migrated: tenants would be placed there.
 */
export async function registerShards(options: InstallationOptions): Promise<readonly string[]> {
  const { databases } = await migrationStatus(options);
  const unready = databases.filter(({ error, pending }) => error !== null || pending.some(isDue));
  if (unready.length > 0)
    throw fail('migration.refused', {
      internal: `away or not migrated: ${unready.map(({ name }) => name).join(', ')}; run \`praxis migrate\``,
    });
  return asAdmin(options.directory, options, undefined, (directory) => register(directory, options));
}

const isDue = ({ phase }: { readonly phase: Phase }): boolean => phase !== 'contract';

/** The shards that were new. */
async function register(directory: pg.Client, { shards }: InstallationOptions): Promise<readonly string[]> {
  const ids = shards.map(({ name }) => name);
  const { rows } = await directory.query<{ id: string }>(
    'insert into shard (id) select unnest($1::text[]) on conflict do nothing returning id',
    [ids],
  );
  return rows.map(({ id }) => id);
}
