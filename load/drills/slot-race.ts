import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ApiClient, appointmentsPath } from '../api-client.js';
import { bookingBody, type Clinic, freeStarts, instantText, makeClinic, midnightIn } from '../clinic.js';
import { type Answer, HttpConnection } from '../http-client.js';
import { type Outcome, percentile, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';
import { claimsOfVisit, inspect, sql } from '../wholeness.js';

const clients = 200;
const rounds = 10;
const stepMin = 30;
/** The day of the race lies this far ahead. */
const daysAhead = 7;

type Answered = Answer & { readonly ms: number };
/** Null: the connection broke. */
type Outcomes = readonly (Answered | null)[];

interface RoundResult {
  readonly winners: number;
  readonly refused: number;
  /** Refusals without an alternative. */
  readonly bare: number;
  /** Answers that are neither a booking nor that refusal, as `status code`. */
  readonly others: readonly string[];
  readonly brokenConnections: number;
  /** Alternatives, over all refusals, that the API did not offer when the race was over. */
  readonly goneAlternatives: number;
  /** Whether an alternative of a loser could be booked. */
  readonly alternativeBooked: boolean;
  readonly rowsWhole: boolean;
  readonly latenciesMs: readonly number[];
}

async function drill(): Promise<Outcome> {
  say('Drill slot-race: a slot that needs a provider, a room and a device, of which the clinic has one each.');
  say(
    `${rounds} rounds: ${clients} clients, half at each of two api processes, each on a connection of its own with an ` +
      'Idempotency-Key of its own, ask for the same slot at once. One may win; everybody else must get 409 ' +
      'appointment.slot_taken with alternatives, all of which are still offered when the race is over, and one of which ' +
      'is then booked.',
  );
  return onOwnStack({ apis: 2, servers: 1 }, async (own) => {
    const api = await ApiClient.login(own.stack.apis[0]?.url ?? '', own.credentials);
    const clinic = await makeClinic(api, { name: 'Race', triples: 1, stepMin });
    const connections = await connectAll(own);
    const results: RoundResult[] = [];
    for (let n = 0; n < rounds; n += 1) {
      const result = await raceOnce(own, api, clinic, connections);
      say(`  round ${n + 1}: ${describe(result)}`);
      results.push(result);
    }
    for (const connection of [...connections, api.connection]) connection.close();
    return verdict(own, results);
  });
}

async function connectAll({ stack }: Run): Promise<readonly HttpConnection[]> {
  const urls = stack.apis.map(({ url }) => url);
  const connections = Array.from({ length: clients }, (_, n) => new HttpConnection(urls[n % urls.length] ?? ''));
  await Promise.all(connections.map((connection) => connection.open()));
  return connections;
}

async function raceOnce(
  own: Run,
  api: ApiClient,
  clinic: Clinic,
  connections: readonly HttpConnection[],
): Promise<RoundResult> {
  const day = midnightIn(daysAhead);
  const free = await freeStarts(api, clinic, day);
  const slot = free[Math.floor(free.length / 2)];
  if (slot === undefined) throw new Error('the day of the race has no free start left');
  const outcomes = await raceFor(minuteOf(slot), api, clinic, connections);
  const alternatives = alternativesOf(outcomes);
  const offered = new Set(await freeOnDaysOf(api, clinic, alternatives));
  const chosen = alternatives[Math.floor(Math.random() * alternatives.length)];
  const booked = chosen !== undefined && (await book(api, api.connection, clinic, minuteOf(chosen)))?.status === 201;
  return {
    ...counted(outcomes),
    goneAlternatives: alternatives.filter((start) => !offered.has(start)).length,
    alternativeBooked: booked,
    rowsWhole: await isBookedOnce(own, minuteOf(slot)),
  };
}

const raceFor = (startMin: number, api: ApiClient, clinic: Clinic, connections: readonly HttpConnection[]) =>
  Promise.all(connections.map((connection) => book(api, connection, clinic, startMin)));

async function book(
  api: ApiClient,
  connection: HttpConnection,
  clinic: Clinic,
  startMin: number,
): Promise<Answered | null> {
  const startedAt = performance.now();
  const headers = { ...api.headers, 'idempotency-key': randomUUID() };
  try {
    const answer = await connection.request('POST', appointmentsPath, headers, bookingBody(clinic, startMin));
    return { ...answer, ms: performance.now() - startedAt };
  } catch {
    return null;
  }
}

interface Refusal {
  readonly code?: string;
  readonly alternatives?: readonly string[];
}

const refusalIn = ({ status, body }: Answer): Refusal => (status === 409 ? (JSON.parse(body) as Refusal) : {});
const isSlotTaken = (answer: Answer): boolean => refusalIn(answer).code === 'appointment.slot_taken';

function counted(outcomes: Outcomes) {
  const answers = outcomes.filter((answer) => answer !== null);
  const refusals = answers.filter(isSlotTaken);
  const others = answers.filter((answer) => answer.status !== 201 && !isSlotTaken(answer));
  return {
    winners: answers.filter(({ status }) => status === 201).length,
    refused: refusals.length,
    bare: refusals.filter((answer) => (refusalIn(answer).alternatives ?? []).length === 0).length,
    others: others.map(({ status, body }) => `${status} ${/"code":"([^"]+)"/.exec(body)?.[1] ?? ''}`),
    brokenConnections: outcomes.length - answers.length,
    latenciesMs: answers.map(({ ms }) => ms),
  };
}

/** Each once, as UTC text. */
const alternativesOf = (outcomes: Outcomes): readonly string[] => [
  ...new Set(
    outcomes
      .filter((answer) => answer !== null)
      .flatMap((answer) => refusalIn(answer).alternatives ?? [])
      .map((start) => instantText(minuteOf(start))),
  ),
];

async function freeOnDaysOf(api: ApiClient, clinic: Clinic, starts: readonly string[]): Promise<readonly string[]> {
  const days = new Set(starts.map((start) => minuteOf(`${start.slice(0, 10)}T00:00:00Z`)));
  const free = [];
  for (const day of days) free.push(...(await freeStarts(api, clinic, day)));
  return free;
}

const minuteOf = (instant: string): number => Date.parse(instant) / 60_000;

async function isBookedOnce(own: Run, startMin: number): Promise<boolean> {
  const [row] = await sql<{ visits: number; claims: number }>(
    own,
    `select (select count(*) from appointment where tenant_id = $1 and start_min = $2 and status = 'booked')::int as visits,
            (select count(*) from time_claim where tenant_id = $1 and start_min = $2)::int as claims`,
    [own.tenantId, startMin],
  );
  return row?.visits === 1 && row.claims === claimsOfVisit;
}

const describe = (r: RoundResult): string =>
  `${r.winners} × 201, ${r.refused} × 409 slot_taken` +
  `${r.others.length > 0 ? `, others: ${[...new Set(r.others)].join(', ')}` : ''}` +
  `${r.brokenConnections > 0 ? `, ${r.brokenConnections} broken connections` : ''}; ` +
  `${r.bare + r.goneAlternatives === 0 ? 'alternatives all free' : `${r.bare} without, ${r.goneAlternatives} gone alternatives`}, ` +
  `one ${r.alternativeBooked ? '' : 'NOT '}booked; p99 ${percentile(r.latenciesMs, 0.99).toFixed(0)} ms`;

/** Lines of every PostgreSQL log of the stack, the replica's included. */
function logLines({ stack }: Run): readonly string[] {
  const { servers, replica } = stack.cluster;
  const folders = [...servers, ...(replica === undefined ? [] : [replica])].map(({ dataDir }) => dataDir);
  return folders.flatMap((folder) => readFileSync(`${folder}.log`, 'utf8').split('\n'));
}

async function verdict(own: Run, results: readonly RoundResult[]): Promise<Outcome> {
  const lines = logLines(own);
  const deadlocks = lines.filter((line) => line.includes('deadlock detected')).length;
  const serializationFailures = lines.filter((line) => line.includes('could not serialize')).length;
  const { booked, halfDone, orphans, overlaps } = await inspect(own);
  const total = (of: (result: RoundResult) => number): number => results.reduce((sum, each) => sum + of(each), 0);
  const latencies = results.flatMap(({ latenciesMs }) => latenciesMs);
  const figures = {
    rounds,
    clients,
    winners: total(({ winners }) => winners),
    refused: total(({ refused }) => refused),
    refusedWithoutAlternative: total(({ bare }) => bare),
    alternativesGone: total(({ goneAlternatives }) => goneAlternatives),
    alternativesBooked: total(({ alternativeBooked }) => Number(alternativeBooked)),
    serverErrors: total(({ others }) => others.filter((other) => other.startsWith('5')).length),
    otherAnswers: total(({ others }) => others.length),
    brokenConnections: total(({ brokenConnections }) => brokenConnections),
    deadlocks,
    serializationFailures,
    halfDone: halfDone + orphans + overlaps,
    p50Ms: rounded(percentile(latencies, 0.5)),
    p99Ms: rounded(percentile(latencies, 0.99)),
    maxMs: rounded(percentile(latencies, 1)),
  };
  const fair = results.every(
    (each) =>
      each.winners === 1 &&
      each.refused === clients - 1 &&
      each.bare + each.goneAlternatives === 0 &&
      each.alternativeBooked &&
      each.rowsWhole,
  );
  const clean = deadlocks + serializationFailures + figures.halfDone === 0 && booked === 2 * rounds;
  say(
    `${latencies.length} answers: p50 ${figures.p50Ms} ms, p99 ${figures.p99Ms} ms, max ${figures.maxMs} ms; ` +
      `${deadlocks} deadlocks and ${serializationFailures} serialization failures in PostgreSQL's logs.`,
  );
  return { passed: fair && clean, figures };
}

await run('slot-race', drill);
