import { fail } from './migration.errors.js';
import type { ConcurrentIndex, Step } from './migration.js';
import type { StepWork } from './step-work.js';

/**
 * It waits for transactions that began before it, and writers do not wait for it meanwhile; so it may wait longer than a
 * statement that stops them.
 */
const lockTimeoutMs = 60_000;
const longestMs = 24 * 3_600_000;

/**
 * Built beside the writers, outside a transaction. What a run that was killed has left, an index that PostgreSQL keeps
 * up and never reads, is removed and built again.
 */
export async function buildIndex(run: StepWork, step: Step, index: ConcurrentIndex): Promise<void> {
  await run.withSettings({ lock_timeout: lockTimeoutMs, statement_timeout: longestMs }, () =>
    run.retried(step, async () => {
      const standing = await standingOf(run, index);
      if (standing === 'valid') return;
      if (standing === 'invalid') {
        run.say(step, `removes what is left of ${index.name}`);
        await run.runner.query(`drop index concurrently if exists ${index.name}`);
      }
      const unique = index.unique === true ? 'unique ' : '';
      await run.runner.query(`create ${unique}index concurrently ${index.name} on ${index.table} ${index.definition}`);
    }),
  );
}

/** Throws migration.refused where the name belongs to something else. */
async function standingOf({ runner }: StepWork, { name, table }: ConcurrentIndex) {
  const [row]: { valid: boolean | null; own: boolean | null }[] = await runner.query(
    `select i.indisvalid and i.indisready as valid, i.indrelid = to_regclass($2) as own
       from pg_class c left join pg_index i on i.indexrelid = c.oid where c.oid = to_regclass($1)`,
    [name, table],
  );
  if (!row) return 'none';
  if (row.own !== true) throw fail('migration.refused', { internal: `${name} is there and no index of ${table}` });
  return row.valid === true ? 'valid' : 'invalid';
}
