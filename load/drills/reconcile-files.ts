import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../api-client.js';
import { JobQueue } from '../job-queue.js';
import { BankCase, type MatchedLines, type ReconRun, type Statement } from '../reconciliation/bank-case.js';
import { type BankFile, bankFiles } from '../reconciliation/bank-files.js';
import {
  ingestWork,
  type Kill,
  killAt,
  moments,
  runWork,
  type Work,
  workerOf,
} from '../reconciliation/kill-moments.js';
import { isOnce, runTraces, statementTraces } from '../reconciliation/traces.js';
import { type Outcome, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';
import { sql } from '../wholeness.js';

const aimedPrecision = 0.999;
const takeOverTimeoutMs = 180_000;
const pollMs = 250;

type Files = readonly [sent: BankFile, received: BankFile];

interface Parts {
  readonly own: Run;
  readonly api: ApiClient;
  readonly queue: JobQueue;
  readonly files: Files;
}

/** A case whose two files are records. */
interface Loaded {
  readonly bank: BankCase;
  readonly statementIds: readonly [string, string];
}

interface Judged {
  readonly name: string;
  readonly mistakes: readonly string[];
  readonly matches: readonly MatchedLines[];
  readonly precision: number;
  readonly rejected: number;
}

async function drill(): Promise<Outcome> {
  const files = bankFiles();
  const [sent, received] = files;
  say(
    `Drill reconcile-files: ${sent.lines} + ${received.lines} bank payments that others made, uploaded and reconciled ` +
      'through the API by amount and the first six characters of the memo, where only one payment of either side has ' +
      'them. Which payments belong together stands in a column that the product never sees.',
  );
  say(
    'Once undisturbed; then three times more with the worker killed (SIGKILL) while it makes records of the first file, ' +
      `and killed again while it matches: ${moments.join(', ')} before its acknowledgement. Each must end with the same ` +
      'lines, the same cents and the same matches, and with nothing twice.',
  );
  return onOwnStack({ apis: 1, workers: 1, servers: 1 }, async (own) => {
    const api = await ApiClient.login(own.stack.url, own.credentials);
    const queue = await JobQueue.open(own, 'reconciliation');
    try {
      return await reconcile({ own, api, queue, files });
    } finally {
      api.close();
      await queue.close();
    }
  });
}

async function reconcile(parts: Parts): Promise<Outcome> {
  const { own, api } = parts;
  const calm = await load(await BankCase.open(api, 'calm'), parts);
  const first = await judge(calm, await calm.bank.completed((await calm.bank.start()).id), parts);
  const pace = await paceOf(own);
  say(
    `  undisturbed: ${first.matches.length} matches, precision ${first.precision.toFixed(4)}; ${pace.ingested} rows/s ` +
      `became records, ${pace.reconciled} records/s were reconciled.`,
  );
  const loaded = await loadWithKills(parts);
  const finished = await runWithKills(loaded.cases, calm, first.matches, parts);
  const judged = [first];
  for (const [n, each] of loaded.cases.entries())
    judged.push(await judge(each, await each.bank.completed(finished.runIds[n] ?? ''), parts));
  return verdict(judged, [...loaded.kills, ...finished.kills], pace, parts);
}

async function load(bank: BankCase, { files: [sent, received] }: Parts): Promise<Loaded> {
  const left = await bank.committed((await bank.upload(bank.leftSourceId, sent)).statement.id);
  const right = await bank.committed((await bank.upload(bank.rightSourceId, received)).statement.id);
  return { bank, statementIds: [left.id, right.id] };
}

/** From the moments that the database has: upload begun to records committed, run asked for to run completed. */
async function paceOf(own: Run) {
  const [row] = await sql<{ ingested: number; reconciled: number }>(
    own,
    `select (select sum(lines) / sum(extract(epoch from ended_at - created_at)) from recon_statement
              where tenant_id = $1)::float8 as ingested,
            (select (left_count + right_count) / extract(epoch from ended_at - created_at) from recon_run
              where tenant_id = $1)::float8 as reconciled`,
    [own.tenantId],
  );
  return { ingested: rounded(row?.ingested ?? Number.NaN, 0), reconciled: rounded(row?.reconciled ?? Number.NaN, 0) };
}

async function killed(moment: (typeof moments)[number], work: Work, { own, queue }: Parts): Promise<Kill> {
  const kill = await killAt(moment, work, { own, queue, say });
  await workerOf(own).start();
  return kill;
}

/** The first files under kills, the second ones by the worker that came after. */
async function loadWithKills(parts: Parts) {
  const { own, api, files } = parts;
  const kills: Kill[] = [];
  const cases: Loaded[] = [];
  for (const [n, moment] of moments.entries()) {
    const bank = await BankCase.open(api, `killed-${n + 1}`);
    const kill = await killed(moment, ingestWork(own, bank, bank.leftSourceId, files[0]), parts);
    const { statement } = await bank.upload(bank.rightSourceId, files[1]);
    kills.push(kill);
    cases.push({ bank, statementIds: [kill.id, statement.id] });
  }
  for (const { bank, statementIds } of cases) for (const id of statementIds) await bank.committed(id);
  await takenOver(kills, parts);
  return { kills, cases };
}

async function runWithKills(cases: readonly Loaded[], calm: Loaded, matches: readonly MatchedLines[], parts: Parts) {
  const kills: Kill[] = [];
  const middle = matches.toSorted((a, b) => (a.date < b.date ? -1 : 1))[Math.floor(matches.length / 2)];
  if (middle === undefined) throw new Error(`nothing was matched in ${calm.bank.name}`);
  for (const [n, { bank, statementIds }] of cases.entries()) {
    const recordId = await recordAt(parts.own, statementIds[0], middle.left);
    kills.push(await killed(moments[n] ?? moments[0], runWork(parts.own, bank, recordId), parts));
  }
  await takenOver(kills, parts);
  return { kills, runIds: kills.map(({ id }) => id) };
}

async function recordAt(own: Run, statementId: string, line: number): Promise<string> {
  const [row] = await sql<{ id: string }>(
    own,
    'select id from recon_record where tenant_id = $1 and statement_id = $2 and line_no = $3',
    [own.tenantId, statementId, line],
  );
  if (row === undefined) throw new Error(`line ${line} is no record`);
  return row.id;
}

/** Resolves when another worker has ended every job of a killed one. */
async function takenOver(kills: readonly Kill[], { queue }: Parts): Promise<void> {
  say(
    '  … until the jobs of the killed workers are taken over: a minute after each kill, and up to half a minute more',
  );
  const endsAt = performance.now() + takeOverTimeoutMs;
  for (const { jobId } of kills)
    while (!(await queue.isDone(jobId))) {
      if (performance.now() > endsAt) throw new Error('a job of a killed worker was not taken over');
      await sleep(pollMs);
    }
}

/** What is wrong with a case that has ended; empty where everything is as it must be. */
async function judge({ bank, statementIds }: Loaded, done: ReconRun, parts: Parts): Promise<Judged> {
  const { own, files } = parts;
  const mistakes: string[] = [];
  const expect = (what: string, holds: boolean) => void (holds || mistakes.push(`${bank.name}: ${what}`));
  const matches = await bank.matches(done.id);
  let rejected = 0;
  for (const [n, file] of files.entries()) {
    const id = statementIds[n] ?? '';
    const statement = await bank.committed(id);
    rejected += statement.totals?.rejected.count ?? 0;
    expect(`lines of ${file.name}`, countsEvery(statement, file));
    expect(`records of ${file.name}`, isOnce(await statementTraces(own, id), statement.totals?.accepted.count ?? 0));
    const again = await bank.upload(n === 0 ? bank.leftSourceId : bank.rightSourceId, file);
    expect(`${file.name} sent again`, again.known && again.statement.id === id);
    expect(`cents of ${file.name}`, balances(n === 0 ? done.totals?.left : done.totals?.right, file));
  }
  expect('matches', matches.length > 0 && matches.length === done.matches);
  expect('matches once', isOnce(await runTraces(own, done.id), matches.length));
  expect('the run asked for again', (await bank.start()).id === done.id);
  const hits = matches.filter(({ left, right }) => files[0].pairAt(left) === files[1].pairAt(right));
  const precision = hits.length / matches.length;
  expect('precision', precision >= aimedPrecision);
  return { name: bank.name, mistakes, matches, precision, rejected };
}

const countsEvery = ({ totals }: Statement, { lines }: BankFile): boolean =>
  totals !== null &&
  totals.lines === lines &&
  totals.duplicates.count === 0 &&
  totals.accepted.count + totals.rejected.count === lines;

type Side = NonNullable<ReconRun['totals']>['left'];

function balances(side: Side | undefined, { lines, sumMinor }: BankFile): boolean {
  if (side === undefined) return false;
  const { matched, open } = side;
  const together = matched.sum.amountMinor + open.sum.amountMinor;
  return matched.count + open.count === lines && together === sumMinor && side.sum.amountMinor === sumMinor;
}

const pairsOf = ({ matches }: Judged): string =>
  matches
    .map(({ left, right }) => `${left} ${right}`)
    .sort()
    .join('\n');

async function verdict(
  judged: readonly Judged[],
  kills: readonly Kill[],
  pace: { readonly ingested: number; readonly reconciled: number },
  { queue, files }: Parts,
): Promise<Outcome> {
  const mistakes = judged.flatMap((each) => each.mistakes);
  const different = new Set(judged.map(pairsOf)).size - 1;
  const lost = await Promise.all(kills.map(({ jobId }) => queue.lostWorkers(jobId)));
  const takenOverJobs = lost.filter((n) => n > 0).length;
  const [first] = judged;
  const precision = Math.min(...judged.map((each) => each.precision));
  say(
    `${judged.length} times ${first?.matches.length} matches, ${different} of them different from the first; precision ` +
      `${precision.toFixed(4)} (aim: at least ${aimedPrecision}); ${takenOverJobs} of ${kills.length} jobs were taken over.`,
  );
  for (const mistake of mistakes) say(`  WRONG: ${mistake}`);
  return {
    passed: mistakes.length === 0 && different === 0 && takenOverJobs === kills.length,
    figures: {
      lines: files.reduce((sum, { lines }) => sum + lines, 0),
      rejected: first?.rejected ?? Number.NaN,
      matches: first?.matches.length ?? 0,
      precision: rounded(precision, 5),
      aimedPrecision,
      ingestedRowsPerSecond: pace.ingested,
      reconciledRecordsPerSecond: pace.reconciled,
      kills: kills.length,
      jobsTakenOver: takenOverJobs,
      differentResults: different,
      mistakes: mistakes.length,
    },
  };
}

await run('reconcile-files', drill);
