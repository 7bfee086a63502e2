import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresServer, stackHome } from '#infra/testing';
import { ApiClient } from '../api-client.js';
import { type Headers, HttpConnection } from '../http-client.js';
import { type Outcome, percentile, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';

const pairsWanted = 10_000;
const clients = 8;
/** Below the 5 s of lag that take a replica out of rotation: it is asked all the time, and could answer from the past. */
const pauseMs = 3_000;
const replayMs = 2_000;
const calmReads = 2_000;
const replicaShareLeast = 0.5;
const killedMs = 8_000;
const outWithinMs = 2_000;
const backWithinMs = 15_000;
/** A server process that has nothing to do tells what it did 10 s later. */
const statisticsMs = 11_000;
const settleMs = 5_000;
const pollMs = 100;
const base = '/api/v1/locations';
const list = `${base}?limit=50`;

interface Location {
  readonly id: string;
  readonly name: string;
  readonly version: number;
}

async function drill(): Promise<Outcome> {
  say('Drill stale-reads: reads that may go to a replica, while it stands still, works, is killed and comes back.');
  say(
    `${clients} clients each rename a location through one api process and list all locations (a read that opts in to the ` +
      `replica) through the other one, until ${pairsWanted} such pairs fell into times when replay on the replica was ` +
      'paused: 3 s paused, 2 s not, so that it stays in rotation. A list without the newest name is stale.',
  );
  return onOwnStack({ apis: 2, servers: 1, shard: 'shard-1' }, async (own) => {
    const api = await ApiClient.login(own.stack.apis[0]?.url ?? '', own.credentials);
    const places: Location[] = [];
    for (let n = 0; n < clients; n += 1)
      places.push(await api.call<Location>('POST', '/locations', { name: `Place ${n}`, tz: 'Etc/UTC' }));
    await sleep(settleMs);
    const paused = await pairsWhilePaused(own, api.headers, places);
    say(`  ${paused.pairs} pairs, ${paused.whilePaused} of them while replay was paused: ${paused.stale} stale.`);
    await sleep(statisticsMs);
    const share = await shareOfReplica(own, api.headers);
    say(`  replaying: ${rounded(share * 100)} % of ${calmReads} reads were answered by the replica.`);
    const killed = await killReplica(own, api.headers);
    api.close();
    return verdict(paused, share, killed);
  });
}

interface Paused {
  pairs: number;
  whilePaused: number;
  stale: number;
  failed: number;
  /** Reads that the replica was asked and refused, because it had not replayed the write. */
  refusedByReplica: number;
  readonly latenciesMs: number[];
}

/** Counts turns of replay: a pair that saw one fell into no single time. */
interface Replay {
  paused: boolean;
  turned: number;
}

async function pairsWhilePaused(own: Run, headers: Headers, places: readonly Location[]): Promise<Paused> {
  const told: Paused = { pairs: 0, whilePaused: 0, stale: 0, failed: 0, refusedByReplica: 0, latenciesMs: [] };
  const replay: Replay = { paused: false, turned: 0 };
  const before = await statistics(own);
  const pairs = Promise.all(places.map((place, n) => renameAndList(own, headers, place, n, replay, told)));
  let done = false;
  const ended = pairs.finally(() => {
    done = true;
  });
  while (!done) {
    await turnReplay(own, replay, !replay.paused);
    await Promise.race([ended, sleep(replay.paused ? pauseMs : replayMs)]);
  }
  await turnReplay(own, replay, false);
  await sleep(statisticsMs);
  told.refusedByReplica = (await statistics(own)).rolledBack - before.rolledBack;
  return told;
}

async function turnReplay({ stack }: Run, replay: Replay, pause: boolean): Promise<void> {
  replay.turned += 1;
  await onReplica(stack, pause ? 'select pg_wal_replay_pause()' : 'select pg_wal_replay_resume()');
  replay.paused = pause;
  replay.turned += 1;
}

async function renameAndList(
  { stack }: Run,
  headers: Headers,
  place: Location,
  n: number,
  replay: Replay,
  told: Paused,
): Promise<void> {
  const here = new HttpConnection(stack.apis[n % 2]?.url ?? '');
  const there = new HttpConnection(stack.apis[(n + 1) % 2]?.url ?? '');
  let { version } = place;
  while (told.whilePaused < pairsWanted) {
    const { paused, turned } = replay;
    const name = randomUUID();
    const sent = { ...headers, 'if-match': `"v${version}"` };
    const changed = await here.request('PATCH', `${base}/${place.id}`, sent, JSON.stringify({ name }));
    const startedAt = performance.now();
    const listed = await there.request('GET', list, headers);
    told.latenciesMs.push(performance.now() - startedAt);
    told.pairs += 1;
    version += 1;
    if (changed.status !== 200 || listed.status !== 200) told.failed += 1;
    else if (!listed.body.includes(name)) told.stale += 1;
    if (paused && replay.turned === turned) told.whilePaused += 1;
  }
  here.close();
  there.close();
}

interface Statistics {
  readonly committed: number;
  readonly rolledBack: number;
}

/** Of the tenant's database on the replica; backends tell them about once a second. */
async function statistics({ stack, database }: Run): Promise<Statistics> {
  const [row] = await onReplica<Statistics>(
    stack,
    'select xact_commit::int as committed, xact_rollback::int as "rolledBack" from pg_stat_database where datname = $1',
    [database],
  );
  if (row === undefined) throw new Error('the replica does not know the database');
  return row;
}

function onReplica<Row>(stack: Run['stack'], sql: string, parameters: unknown[] = []): Promise<readonly Row[]> {
  const { replica } = stack.cluster;
  if (replica === undefined) throw new Error('the stack has no replica');
  return replica.asSuperuser(async (client) => (await client.query(sql, parameters)).rows as Row[]);
}

/** What the replica committed in the time of the reads, without the polls of its lag: one a second from each process. */
async function shareOfReplica(own: Run, headers: Headers): Promise<number> {
  const before = await statistics(own);
  const startedAt = performance.now();
  const connections = own.stack.apis.map(({ url }) => new HttpConnection(url));
  await Promise.all(
    connections.map(async (connection) => {
      for (let n = 0; n < calmReads / connections.length; n += 1) await connection.request('GET', list, headers);
      connection.close();
    }),
  );
  await sleep(statisticsMs);
  const polls = ((performance.now() - startedAt) / 1_000) * own.stack.apis.length;
  // Polls are estimated, so the sum may come out a little above all of them.
  return Math.min(1, ((await statistics(own)).committed - before.committed - polls) / calmReads);
}

interface Killed {
  reads: number;
  failed: number;
  /** Until every process had taken it out of rotation, and until every one had taken it in again. */
  outMs: number;
  backMs: number;
}

/** The replica is killed under reads and started again; health of the servers, as an owner sees it, tells of rotation. */
async function killReplica(own: Run, headers: Headers): Promise<Killed> {
  const told: Killed = { reads: 0, failed: 0, outMs: Number.NaN, backMs: Number.NaN };
  const stopping = new AbortController();
  const reading = own.stack.apis.map(({ url }) => readUntil(stopping.signal, url, headers, told));
  const { replica } = own.stack.cluster;
  if (replica === undefined) throw new Error('the stack has no replica');
  const { dataDir, port, superuser, pid } = replica;
  await sleep(1_000);
  const killedAt = performance.now();
  process.kill(pid, 'SIGKILL');
  told.outMs = await untilRotation(own, false, killedAt);
  say(`  replica killed: out of rotation after ${rounded(told.outMs)} ms.`);
  await sleep(killedMs);
  const again = { dataDir, port, superuser, durability: 'durable', binariesHome: stackHome() } as const;
  const started = await PostgresServer.start(again);
  told.backMs = await untilRotation(own, true, performance.now());
  say(`  back in rotation after ${rounded(told.backMs)} ms.`);
  await sleep(1_000);
  stopping.abort();
  await Promise.all(reading);
  await started.stop();
  return told;
}

async function readUntil(stop: AbortSignal, url: string, headers: Headers, told: Killed): Promise<void> {
  const connection = new HttpConnection(url);
  while (!stop.aborted) {
    const answer = await connection.request('GET', list, headers).catch(() => undefined);
    told.reads += 1;
    if (answer?.status !== 200) told.failed += 1;
  }
  connection.close();
}

/** Whether reads went to the replica, seen from its connections and from /metrics: the gauge of rotation of each process. */
async function untilRotation(own: Run, expected: boolean, since: number): Promise<number> {
  const endsAt = performance.now() + 4 * backWithinMs;
  while (performance.now() < endsAt) {
    const states = await Promise.all(own.stack.apis.map(({ url }) => rotationOf(url)));
    if (states.every((state) => state === expected)) return performance.now() - since;
    await sleep(pollMs);
  }
  return Number.POSITIVE_INFINITY;
}

async function rotationOf(url: string): Promise<boolean | undefined> {
  const answer = await fetch(`${url}/metrics`);
  const value = /^db_replica_in_rotation\{[^}]*shard="shard-1"[^}]*\} (\d)/m.exec(await answer.text())?.[1];
  return value === undefined ? undefined : value === '1';
}

function verdict(paused: Paused, share: number, killed: Killed): Outcome {
  const figures = {
    pairs: paused.pairs,
    pairsWhilePaused: paused.whilePaused,
    stale: paused.stale,
    failedPairs: paused.failed,
    refusedByReplica: paused.refusedByReplica,
    readP50Ms: rounded(percentile(paused.latenciesMs, 0.5)),
    readP99Ms: rounded(percentile(paused.latenciesMs, 0.99)),
    replicaShare: rounded(share, 3),
    readsAroundKill: killed.reads,
    failedAroundKill: killed.failed,
    outMs: rounded(killed.outMs),
    backMs: rounded(killed.backMs),
  };
  const passed =
    paused.stale + paused.failed + killed.failed === 0 &&
    paused.whilePaused >= pairsWanted &&
    paused.refusedByReplica > 0 &&
    share >= replicaShareLeast &&
    killed.outMs <= outWithinMs &&
    killed.backMs <= backWithinMs;
  return { passed, figures };
}

await run('stale-reads', drill);
