import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ApiClient, appointmentsPath } from '../api-client.js';
import { bookingBody, type Clinic, makeClinic, midnightIn } from '../clinic.js';
import { type CpuMs, cpuSince } from '../cpu.js';
import { HttpConnection } from '../http-client.js';
import { findPgbench, type PgbenchResult, pgbenchVersion, runPgbench } from '../pgbench/program.js';
import { recordBooking } from '../pgbench/record.js';
import { idPrefixAt, type PgbenchScript, scriptOf } from '../pgbench/script.js';
import { median, type Outcome, percentile, rounded, run, say } from '../report.js';
import { placeAt, placesOf, type SlotPlan, strideOf } from '../slots.js';
import { onOwnStack, type Run } from '../stack.js';
import { inspect, sql } from '../wholeness.js';

const clients = 16;
const rounds = 5;
const roundSeconds = 8;
const warmUpSeconds = 3;
const aimedRatio = 0.5;
const stepMin = 15;
const clinicCount = 4;
const triplesPerClinic = 4;
/** Starts lie from 10 to 710 days ahead; the recorded bookings lie before them. */
const plan: SlotPlan = {
  firstMin: midnightIn(10),
  stepMin,
  starts: (700 * 1_440) / stepMin / 2,
  clinics: clinicCount,
  triples: triplesPerClinic,
};

interface Round {
  readonly bookings: number;
  readonly perSecond: number;
  readonly latenciesMs: readonly number[];
  readonly cpu: CpuMs;
}

interface Side {
  readonly name: string;
  /** Bookings that it has made or may have made so far: the next ones begin above. */
  used: number;
  readonly rounds: Round[];
}

async function bench(): Promise<Outcome> {
  const { values } = parseArgs({ options: { profile: { type: 'string' } } });
  const program = findPgbench();
  say('Bench booking: how much of PostgreSQL’s own speed is left when a booking goes through the REST API.');
  if (program === undefined) {
    say('pgbench is missing. Debian and Ubuntu: apt-get install postgresql-contrib; macOS: brew install postgresql.');
    return { passed: false, figures: { reason: 'pgbench is neither on PATH nor in /usr/lib/postgresql' } };
  }
  say(
    `One side: ${clients} connections book over HTTP at one api process, each booking with its own Idempotency-Key, ` +
      'provider, room and device. Other side: pgbench runs the very statements that the api sends for one booking, ' +
      `recorded on the wire, in the same order and flights, prepared, with ${clients} clients on the same server and ` +
      'tables. ' +
      `${rounds} rounds of ${roundSeconds} s each, in turns; medians count; aim: at least ${aimedRatio} of pgbench.`,
  );
  const environment: Record<string, string> =
    values.profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${resolve(values.profile)}` };
  return onOwnStack({ apis: 1, servers: 2, shard: 'shard-2', environment }, (own) => measure(own, program));
}

async function measure(own: Run, program: string): Promise<Outcome> {
  const api = await ApiClient.login(own.stack.apis[0]?.url ?? '', own.credentials);
  const clinics: Clinic[] = [];
  for (let n = 1; n <= clinicCount; n += 1)
    clinics.push(await makeClinic(api, { name: `Clinic ${n}`, triples: triplesPerClinic, stepMin }));
  const recorded = await recordBooking(own, clinics, midnightIn(1));
  const script = scriptOf(recorded.statements, recorded.booking, plan);
  const flights = new Set(recorded.statements.map(({ flight }) => flight)).size;
  say(
    `One booking is ${recorded.statements.length} statements in ${flights} flights. ${await pgbenchVersion(program)}.`,
  );
  const settings = await durability(own);
  say(
    `${clinicCount} clinics × ${triplesPerClinic} providers, rooms and devices; ${placesOf(plan)} free slots a side; ${settings.said}.`,
  );

  const http: Side = { name: 'HTTP', used: 0, rounds: [] };
  const pgbench: Side = { name: 'pgbench', used: 0, rounds: [] };
  const runHttp = (seconds: number) => httpRound(own, api, clinics, http, seconds);
  const runPg = (seconds: number) => pgbenchRound(own, program, script, recorded.startup, pgbench, { seconds });
  const first = await pgbenchRound(own, program, script, recorded.startup, pgbench, { transactions: 1 });
  const warm = [first, await runHttp(warmUpSeconds), await runPg(warmUpSeconds)];
  await sql(own, 'vacuum (analyze)');
  say(
    `Both sides have run for ${warmUpSeconds} s; tables are vacuumed and analyzed, so that plans rest on statistics.`,
  );
  for (let n = 0; n < rounds; n += 1) {
    const inTurn = n % 2 === 0 ? [http, pgbench] : [pgbench, http];
    for (const side of inTurn) side.rounds.push(await (side === http ? runHttp(roundSeconds) : runPg(roundSeconds)));
    say(`  round ${n + 1}: HTTP ${shown(http.rounds[n])}   pgbench ${shown(pgbench.rounds[n])}`);
  }
  api.close();
  const made = [...warm, ...http.rounds, ...pgbench.rounds].reduce((sum, { bookings }) => sum + bookings, 0);
  return verdict(own, http, pgbench, made + recorded.bookings, settings.on);
}

const shown = (round: Round | undefined): string =>
  round === undefined
    ? '–'
    : `${round.perSecond.toFixed(0)}/s, p50 ${percentile(round.latenciesMs, 0.5).toFixed(1)} ms, p99 ${percentile(round.latenciesMs, 0.99).toFixed(1)} ms`;

async function durability(own: Run) {
  const [row] = await sql<Record<string, string>>(
    own,
    `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous_commit,
            current_setting('server_version') as version`,
  );
  const on = row?.fsync === 'on' && row.synchronous_commit === 'on';
  return { on, said: `PostgreSQL ${row?.version}, fsync ${row?.fsync}, synchronous_commit ${row?.synchronous_commit}` };
}

async function httpRound(
  own: Run,
  api: ApiClient,
  clinics: readonly Clinic[],
  side: Side,
  seconds: number,
): Promise<Round> {
  const { url, pid } = own.stack.apis[0] ?? {};
  if (url === undefined) throw new Error('there is no api process');
  const connections = Array.from({ length: clients }, () => new HttpConnection(url));
  await Promise.all(connections.map((connection) => connection.open()));
  const stride = strideOf(plan);
  const latenciesMs: number[] = [];
  const cpu = cpuSince(pid, postmasterOf(own));
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  await Promise.all(
    connections.map(async (connection) => {
      for (let at = performance.now(); at < endsAt; at = performance.now()) {
        const { clinic, startMin } = placeAt(plan, stride, 0, side.used);
        side.used += 1;
        const headers = { ...api.headers, 'idempotency-key': randomUUID() };
        const body = bookingBody(clinics[clinic] as Clinic, startMin);
        const { status, body: said } = await connection.request('POST', appointmentsPath, headers, body);
        if (status !== 201) throw new Error(`a booking of a free slot was answered with ${status}: ${said}`);
        latenciesMs.push(performance.now() - at);
      }
    }),
  );
  const tookS = (performance.now() - startedAt) / 1000;
  for (const connection of connections) connection.close();
  return { bookings: latenciesMs.length, perSecond: latenciesMs.length / tookS, latenciesMs, cpu: cpu() };
}

type Amount = { readonly seconds: number } | { readonly transactions: number };

async function pgbenchRound(
  own: Run,
  program: string,
  script: PgbenchScript,
  startup: ReadonlyMap<string, string>,
  side: Side,
  amount: Amount,
): Promise<Round> {
  const url = own.stack.environment[`SHARD_${own.server + 1}_URL`] ?? '';
  const cpu = cpuSince(undefined, postmasterOf(own));
  const atMs = Date.now();
  const variables = { base: String(side.used), id_prefix: idPrefixAt(atMs), at_s: String(atMs / 1000) };
  const few = 'transactions' in amount ? 1 : clients;
  const result: PgbenchResult = await runPgbench({ program, url, startup, script, variables, clients: few, amount });
  // Some clients of pgbench run ahead of others: twice the mean is above all of them.
  side.used += 2 * result.transactions + 2 * clients;
  const { transactions, perSecond, latenciesMs } = result;
  return { bookings: transactions, perSecond, latenciesMs, cpu: cpu() };
}

const postmasterOf = ({ stack, server }: Run): number => stack.cluster.servers[server]?.pid ?? 0;

async function verdict(own: Run, http: Side, pgbench: Side, made: number, durable: boolean): Promise<Outcome> {
  const { booked, halfDone, orphans, overlaps, idempotencyRows } = await inspect(own);
  const whole = booked === made && idempotencyRows === made && halfDone + orphans + overlaps === 0;
  say(`${made} bookings were made by both sides; the tables hold ${booked}, ${whole ? 'all whole' : 'NOT all whole'}.`);
  const ratios = http.rounds.map(({ perSecond }, n) => perSecond / (pgbench.rounds[n]?.perSecond ?? Number.NaN));
  const ratio = median(http.rounds.map(each)) / median(pgbench.rounds.map(each));
  if (http.used > placesOf(plan) || pgbench.used > placesOf(plan)) throw new Error('a side ran out of slots');
  say(`HTTP reaches ${ratio.toFixed(2)} of pgbench (rounds: ${ratios.map((r) => r.toFixed(2)).join(' ')}).`);
  say(
    `One booking costs ${cpuUs(http).toFixed(0)} µs of processor time over HTTP (api ${cpuUs(http, ['app']).toFixed(0)}, ` +
      `PostgreSQL ${cpuUs(http, ['postgres']).toFixed(0)}) and ${cpuUs(pgbench).toFixed(0)} µs by pgbench ` +
      `(PostgreSQL ${cpuUs(pgbench, ['postgres']).toFixed(0)}).`,
  );
  return {
    passed: ratio >= aimedRatio && whole && durable,
    figures: {
      ratio: rounded(ratio, 3),
      aimedRatio,
      processorTimeRatio: rounded(cpuUs(pgbench) / cpuUs(http), 3),
      ...figuresOf(http),
      ...figuresOf(pgbench),
      clients,
      rounds,
      roundSeconds,
      bookings: made,
      allWhole: whole,
      fsyncAndSynchronousCommit: durable,
    },
  };
}

const each = ({ perSecond }: Round): number => perSecond;

const processesOf = ({ name }: Side): readonly (keyof CpuMs)[] =>
  name === 'HTTP' ? ['app', 'postgres', 'generator'] : ['postgres', 'programs'];

/** Processor time of one booking, all processes of its side together; a busy machine changes it little. */
function cpuUs(side: Side, of = processesOf(side)): number {
  const done = side.rounds;
  const bookings = done.reduce((sum, round) => sum + round.bookings, 0);
  const ms = done.flatMap(({ cpu }) => of.map((name) => cpu[name])).reduce((sum, each) => sum + each, 0);
  return (ms / bookings) * 1000;
}

function figuresOf(side: Side) {
  const prefix = side.name.toLowerCase();
  const latencies = side.rounds.flatMap(({ latenciesMs }) => latenciesMs);
  const us = (of: keyof CpuMs) => rounded(cpuUs(side, [of]), 0);
  return {
    [`${prefix}PerSecond`]: rounded(median(side.rounds.map(each))),
    [`${prefix}P50Ms`]: rounded(percentile(latencies, 0.5), 2),
    [`${prefix}P99Ms`]: rounded(percentile(latencies, 0.99), 2),
    [`${prefix}MaxMs`]: rounded(percentile(latencies, 1), 1),
    [`${prefix}PostgresCpuUs`]: us('postgres'),
    ...(side.name === 'HTTP'
      ? { httpApiCpuUs: us('app'), httpGeneratorCpuUs: us('generator') }
      : { pgbenchProgramCpuUs: us('programs') }),
  };
}

await run('booking', bench);
