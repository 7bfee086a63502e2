import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../api-client.js';
import { makeClinic } from '../clinic.js';
import { runMover } from '../moving/mover-process.js';
import { digestOf, fillTenant, missingOn, seenOn, tenantsOn, whereIs, wrongFacts } from '../moving/tenant-rows.js';
import { Writers } from '../moving/writers.js';
import { type Outcome, percentile, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';
import { inspect } from '../wholeness.js';

const rows = 100_000;
const writers = 8;
const triples = 2;
const stepMin = 15;
const calmMs = 3_000;
const betweenMs = 1_000;
const settleTimeoutMs = 60_000;
/** No writer may wait this long, whatever becomes of the mover. */
const pauseMaxMs = 1_000;
/** Where the mover is killed, each time in a move of its own. */
const points = [
  'preparing',
  'copying',
  'replicated',
  'proving',
  'switching',
  'leaving',
  'handed_over',
  'switched',
  'finishing',
] as const;

interface Attempt {
  readonly killedAt: string | null;
  readonly to: string;
  readonly seconds: number;
  /** The longest that any writer waited for an answer while the mover worked, was dead and worked again. */
  readonly longestMs: number;
  /** What the mover says: of the hand-over, and of all its attempts. */
  readonly pauseMs: number | null;
  readonly longestPauseMs: number | null;
}

async function drill(): Promise<Outcome> {
  say(`Drill move-tenant: a tenant of ${rows} rows moves between two shards while ${writers} clients book.`);
  say(
    'First undisturbed; then once for each step of the mover, which is killed there (SIGKILL) and run again. Afterwards the ' +
      'shard that has the tenant must hold every acknowledged booking once and whole and nothing else, its facts must be ' +
      'numbered without a gap and published, the neighbours on both shards must have what they had, to the last byte, and ' +
      `no writer may have waited ${pauseMaxMs} ms for an answer.`,
  );
  const plan = { apis: 2, workers: 1, servers: 2, shard: 'shard-1', furtherTenants: ['shard-1', 'shard-2'] };
  return onOwnStack(plan, async (own) => {
    for (const neighbour of own.tenants.slice(1)) await bookSome({ ...own, ...neighbour });
    const api = await ApiClient.login(own.stack.apis[0]?.url ?? '', own.credentials);
    const clinic = await makeClinic(api, { name: 'Moving', triples, stepMin });
    await fillTenant(own, own.tenantId, rows);
    const before = await neighbours(own);
    const clients = new Writers(own, api.headers, clinic, writers);
    await sleep(calmMs);
    const calmLongestMs = clients.longestSince(0);
    const attempts = await moves(own, clients).finally(() => clients.stop());
    api.close();
    return verdict(own, clients, attempts, calmLongestMs, before);
  });
}

/** A neighbour with a few visits of its own. */
async function bookSome(own: Run): Promise<void> {
  const api = await ApiClient.login(own.stack.apis[0]?.url ?? '', own.credentials);
  const clinic = await makeClinic(api, { name: 'Neighbour', triples: 1, stepMin });
  const clients = new Writers(own, api.headers, clinic, 1);
  await sleep(betweenMs);
  await clients.stop();
  api.close();
  await published(own);
}

async function published(own: Run): Promise<void> {
  const endsAt = performance.now() + settleTimeoutMs;
  while ((await wrongFacts(own, own.tenantId)) > 0 && performance.now() < endsAt) await sleep(betweenMs);
}

const neighbours = async (own: Run): Promise<string> =>
  JSON.stringify(
    await Promise.all(own.tenants.slice(1).map((tenant) => digestOf({ ...own, ...tenant }, tenant.tenantId))),
  );

async function moves(own: Run, clients: Writers): Promise<readonly Attempt[]> {
  const attempts: Attempt[] = [];
  for (const killedAt of [null, ...points]) {
    const { shard } = await whereIs(own);
    const to = shard === 'shard-1' ? 'shard-2' : 'shard-1';
    const attempt = await move(own, clients, to, killedAt);
    attempts.push(attempt);
    say(
      `  to ${to} in ${attempt.seconds} s, ${killedAt === null ? 'undisturbed' : `killed at ${killedAt}`}: no writer waited ` +
        `more than ${attempt.longestMs} ms (the mover counts ${attempt.pauseMs === null ? 'none' : `${attempt.pauseMs} ms`}, ${attempt.longestPauseMs ?? 0} ms at most); ` +
        `${clients.written.length} bookings so far`,
    );
    await sleep(betweenMs);
  }
  return attempts;
}

async function move(own: Run, clients: Writers, to: string, killedAt: string | null): Promise<Attempt> {
  const { tenant } = own.credentials;
  const startedAt = performance.now();
  if (killedAt !== null) {
    await runMover(own, tenant, to, killedAt);
    await sleep(betweenMs);
  }
  const moved = (await whereIs(own)).step === 'done' && killedAt !== null ? null : await runMover(own, tenant, to);
  const seconds = rounded((performance.now() - startedAt) / 1000);
  await sleep(betweenMs);
  const pauseMs = moved?.pauseMs ?? null;
  const longestMs = rounded(clients.longestSince(startedAt));
  const longestPauseMs = moved === null ? null : rounded(moved.longestPauseMs);
  return { killedAt, to, seconds, longestMs, pauseMs: pauseMs === null ? null : rounded(pauseMs), longestPauseMs };
}

async function verdict(
  own: Run,
  clients: Writers,
  attempts: readonly Attempt[],
  calmLongestMs: number,
  before: string,
): Promise<Outcome> {
  const { shard } = await whereIs(own);
  const here = seenOn(own, shard);
  await published(here);
  await runCleaning(own);
  const acknowledged = clients.written.map(({ id }) => id);
  const { booked, halfDone, orphans, overlaps } = await inspect(here);
  const lost = await missingOn(here, own.tenantId, acknowledged);
  const phantom = Math.max(0, booked - acknowledged.length - clients.unanswered);
  const strangers = await foreign(own, shard);
  const neighboursChanged = (await neighbours(own)) !== before;
  const factsWrong = await wrongFacts(here, own.tenantId);
  const killed = attempts.filter(({ killedAt }) => killedAt !== null);
  const pauses = attempts.flatMap(({ pauseMs }) => pauseMs ?? []);
  const figures = {
    rows,
    writers,
    acknowledged: acknowledged.length,
    booked,
    lost,
    phantom,
    halfDone: halfDone + orphans + overlaps,
    foreignTenants: strangers,
    neighboursChanged,
    factsWrong,
    unanswered: clients.unanswered,
    otherAnswers: clients.others.length,
    askedToComeAgain: [...clients.asked.values()].reduce((sum, n) => sum + n, 0),
    moves: attempts.length,
    kills: killed.length,
    secondsUndisturbed: attempts[0]?.seconds ?? Number.NaN,
    calmP50Ms: rounded(
      percentile(
        clients.written.map(({ startedAt, endedAt }) => endedAt - startedAt),
        0.5,
      ),
    ),
    calmLongestMs: rounded(calmLongestMs),
    longestPauseMs: attempts[0]?.longestMs ?? Number.NaN,
    longestPauseKilledMs: Math.max(...killed.map(({ longestMs }) => longestMs)),
    moverPauseMedianMs: rounded(percentile(pauses, 0.5)),
    moverPauseMaxMs: Math.max(...pauses),
    moverLongestPauseMs: Math.max(...attempts.flatMap(({ longestPauseMs }) => longestPauseMs ?? [])),
  };
  if (clients.asked.size > 0) say(`Asked to come again: ${JSON.stringify(Object.fromEntries(clients.asked))}`);
  if (clients.others.length > 0) say(`Other answers: ${[...new Set(clients.others)].join(', ')}`);
  const broken =
    lost + phantom + figures.halfDone + strangers + factsWrong + clients.unanswered + clients.others.length;
  const slow = attempts.filter(({ longestMs }) => longestMs >= pauseMaxMs).length;
  return { passed: broken === 0 && !neighboursChanged && slow === 0 && acknowledged.length > 0, figures };
}

const runCleaning = (own: Run): Promise<string> => own.stack.cli('tenants', 'clean');

/** Tenants that have rows where they do not live, after the cleaning: the moved one on its former shard among them. */
async function foreign(own: Run, shard: string): Promise<number> {
  let strangers = 0;
  for (const [n, each] of ['shard-1', 'shard-2'].entries()) {
    const atHome = own.tenants.slice(1).filter(({ server }) => server === n);
    const expected = [...atHome.map(({ tenantId }) => tenantId), ...(each === shard ? [own.tenantId] : [])];
    strangers += (await tenantsOn(seenOn(own, each))).filter((id) => !expected.includes(id)).length;
  }
  return strangers;
}

await run('move-tenant', drill);
