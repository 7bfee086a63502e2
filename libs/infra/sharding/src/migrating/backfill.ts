import { monotonicMs } from '#infra/kernel';
import { fail } from './migration.errors.js';
import type { Backfill, Step } from './migration.js';
import type { StepWork } from './step-work.js';
import type { Progress } from './version-notes.js';

const usualBatch = 1_000;
const usualKey = ['tenant_id', 'id'];
/** One run gives up after this long; the next one goes on. */
const longestMs = 24 * 3_600_000;
/** Between two pages, at the least; else as long as the page took, so that half of the time belongs to others. */
const restMinMs = 20;
const restMaxMs = 5_000;
const reportEveryMs = 5_000;
/** A replica that is further behind gets no reads any more: the next page waits for it, a minute at most. */
const behindMaxBytes = 8 * 1024 * 1024;
const behindPauseMs = 1_000;
const behindPauses = 60;

/** Page after page in the order of the key, from where an earlier run stopped; each page commits by itself. */
export async function fill(run: StepWork, step: Step, backfill: Backfill): Promise<void> {
  const { notes } = run;
  const startedAt = monotonicMs();
  let reportedAt = startedAt;
  let progress = await notes.progressOf(run.name, step);
  if (progress.after !== null) run.say(step, `goes on after ${progress.rows} rows`);
  progress = { ...progress, rowsExpected: await expectedRows(run, backfill) };
  const batch = backfill.batch ?? usualBatch;
  for (;;) {
    await waitForStandbys(run, step);
    const pageAt = monotonicMs();
    const page = await run.retried(step, () => fillPage(run, backfill, batch, progress.after));
    progress = { ...progress, rows: progress.rows + page.rows, after: page.last ?? progress.after };
    await notes.progress(run.name, step, progress);
    if (page.rows < batch) return;
    if (monotonicMs() - reportedAt >= reportEveryMs) {
      reportedAt = monotonicMs();
      run.say(step, `${progress.rows} of about ${progress.rowsExpected ?? 'unknown'} rows`);
    }
    expectTimeLeft(run, step, startedAt, progress);
    run.expectGoingOn(step);
    await run.rest(Math.min(restMaxMs, Math.max(restMinMs, Math.round(monotonicMs() - pageAt))));
  }
}

/** Standbys that are connected; an admin who may not look at them waits for none. */
async function waitForStandbys(run: StepWork, step: Step): Promise<void> {
  for (let pause = 1; pause <= behindPauses; pause += 1) {
    const [furthest] = await run.watching<{ name: string; bytes: number }>(furthestBehind);
    if (furthest === undefined || furthest.bytes <= behindMaxBytes) return;
    if (pause === 1) run.say(step, `waits: ${furthest.name} is ${Math.round(furthest.bytes / 1024)} KiB behind`);
    await run.rest(behindPauseMs);
  }
}

const furthestBehind = `
  select coalesce(nullif(application_name, ''), 'a standby') as name,
         pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)::float8 as bytes
    from pg_stat_replication where replay_lsn is not null order by replay_lsn limit 1`;

function expectTimeLeft(run: StepWork, { name }: Step, startedAt: number, { rows }: Progress): void {
  if (monotonicMs() - startedAt > longestMs)
    throw fail('migration.unfinished', {
      internal: `${run.name}: ${name} has worked for ${longestMs / 3_600_000} h and done ${rows} rows; run again`,
    });
}

interface Page {
  readonly rows: number;
  /** Key of the last row; null of an empty page. */
  readonly last: readonly string[] | null;
}

/** One statement, so one transaction: the page, what happens to it, and where it ended. */
async function fillPage(
  { runner }: StepWork,
  { table, key = usualKey, statement }: Backfill,
  batch: number,
  after: readonly string[] | null,
): Promise<Page> {
  const columns = key.join(', ');
  const places = key.map((_, n) => `$${n + 2}`).join(', ');
  const from = after === null ? '' : `where (${columns}) > (${places})`;
  const [row]: { rows: number; last: string[] | null }[] = await runner.query(
    `with page as materialized (select ${columns} from ${table} ${from} order by ${columns} limit $1),
          filled as (${statement})
     select (select count(*)::int from page) as rows,
            (select array[${key.map((column) => `${column}::text`).join(', ')}] from page
              order by ${key.map((column) => `${column} desc`).join(', ')} limit 1) as last`,
    [batch, ...(after ?? [])],
  );
  return row ?? { rows: 0, last: null };
}

async function expectedRows({ runner }: StepWork, { table }: Backfill): Promise<number | null> {
  const [row]: { rows: number }[] = await runner.query(
    'select reltuples::float8 as rows from pg_class where oid = to_regclass($1)',
    [table],
  );
  return row === undefined || row.rows < 0 ? null : Math.round(row.rows);
}
