import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient, appointmentsPath } from '../api-client.js';
import { bookingBody, type Clinic, makeClinic, midnightIn } from '../clinic.js';
import { type Answer, type Headers, HttpConnection } from '../http-client.js';
import { type Outcome, percentile, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';
import { inspect, sql } from '../wholeness.js';

const clients = 16;
const kills = 20;
const betweenKillsMs = { least: 300, most: 2_500 };
const stepMin = 15;
const triples = 8;
const days = 90;
/** One booking in so many wants a time on the first day, which fills up: races and refusals are part of the load. */
const oneInCrowd = 16;
/** A key without an answer after this long stays unanswered. */
const answerWithinMs = 60_000;
const pauseMs = 25;
const replaysAtOnce = 16;

interface Ledger {
  /** Appointment id by key: answered with 201. */
  readonly acknowledged: Map<string, { readonly id: string; readonly startMin: number }>;
  /** Keys answered with 409 appointment.slot_taken. */
  readonly refused: Set<string>;
  readonly unanswered: Set<string>;
  /** Attempts after the first of a key. */
  retries: number;
  /** 201 of a retry that says Idempotency-Replayed: the first attempt had been committed, its answer lost. */
  replayed: number;
  brokenConnections: number;
  /** Answers that ask for a retry: 409 idempotency.in_progress, 503. */
  busy: number;
  /** Answers that are none of these, as `status code`. */
  readonly others: string[];
  readonly latenciesMs: number[];
}

async function drill(): Promise<Outcome> {
  say(`Drill kill-api: ${kills} times SIGKILL of an api process while it books.`);
  say(
    `${clients} clients book through two api processes, each booking under an Idempotency-Key that the client repeats, ` +
      'at either process, until it is answered. At random moments one of the processes is killed, and started again. ' +
      'Afterwards the database, read as superuser, must hold every acknowledged booking once and whole (claims, shares, ' +
      'history, outbox fact, audit event, idempotency row) and nothing else; every acknowledged key is sent once more ' +
      'and must be answered with the same visit.',
  );
  return onOwnStack({ apis: 2, servers: 1 }, async (own) => {
    const api = await ApiClient.login(own.stack.apis[0]?.url ?? '', own.credentials);
    const clinic = await makeClinic(api, { name: 'Kill', triples, stepMin });
    api.close();
    const ledger = newLedger();
    const stopping = new AbortController();
    const booking = Array.from({ length: clients }, () => bookUntil(stopping.signal, own, api.headers, clinic, ledger));
    const startedAt = performance.now();
    const killed = await killInTurn(own, ledger).finally(() => stopping.abort());
    await Promise.all(booking);
    const seconds = (performance.now() - startedAt) / 1000;
    say(`  ${killed} kills in ${seconds.toFixed(0)} s; ${ledger.acknowledged.size} bookings acknowledged.`);
    return verdict(own, api.headers, clinic, ledger, killed);
  });
}

const newLedger = (): Ledger => ({
  acknowledged: new Map(),
  refused: new Set(),
  unanswered: new Set(),
  retries: 0,
  replayed: 0,
  brokenConnections: 0,
  busy: 0,
  others: [],
  latenciesMs: [],
});

async function killInTurn({ stack }: Run, ledger: Ledger): Promise<number> {
  let killed = 0;
  for (; killed < kills; killed += 1) {
    await sleep(randomInt(betweenKillsMs.least, betweenKillsMs.most));
    const app = stack.apis[randomInt(stack.apis.length)];
    if (app === undefined) throw new Error('there is no api process');
    await app.kill();
    await app.start();
    if (killed % 5 === 4) say(`  ${killed + 1} kills, ${ledger.acknowledged.size} bookings so far`);
  }
  return killed;
}

/** One client: the next booking begins when the last one is answered. */
async function bookUntil(
  stop: AbortSignal,
  { stack }: Run,
  authorization: Headers,
  clinic: Clinic,
  ledger: Ledger,
): Promise<void> {
  const connections = stack.apis.map(({ url }) => new HttpConnection(url));
  const first = midnightIn(1);
  while (!stop.aborted) {
    const key = randomUUID();
    const within = randomInt(oneInCrowd) === 0 ? 1 : days;
    const startMin = first + stepMin * randomInt((within * 1_440) / stepMin);
    const headers = { ...authorization, 'idempotency-key': key };
    const startedAt = performance.now();
    const answer = await askUntilAnswered(connections, headers, bookingBody(clinic, startMin), ledger);
    ledger.latenciesMs.push(performance.now() - startedAt);
    note(ledger, key, startMin, answer);
  }
  for (const connection of connections) connection.close();
}

/** The same request at either process in turn; undefined when nobody answers within a minute. */
async function askUntilAnswered(
  connections: readonly HttpConnection[],
  headers: Headers,
  body: string,
  ledger: Ledger,
): Promise<Answer | undefined> {
  const endsAt = performance.now() + answerWithinMs;
  const first = randomInt(connections.length);
  for (let attempt = 0; performance.now() < endsAt; attempt += 1) {
    if (attempt > 0) {
      ledger.retries += 1;
      await sleep(pauseMs);
    }
    const connection = connections[(first + attempt) % connections.length] as HttpConnection;
    try {
      const answer = await connection.request('POST', appointmentsPath, headers, body);
      if (!asksForRetry(answer)) return answer;
      ledger.busy += 1;
    } catch {
      ledger.brokenConnections += 1;
    }
  }
  return undefined;
}

const codeOf = ({ body }: Answer): string => /"code":"([^"]+)"/.exec(body)?.[1] ?? '';
const asksForRetry = (answer: Answer): boolean =>
  answer.status === 503 || (answer.status === 409 && codeOf(answer) === 'idempotency.in_progress');

function note(ledger: Ledger, key: string, startMin: number, answer: Answer | undefined): void {
  if (answer === undefined) ledger.unanswered.add(key);
  else if (answer.status === 201) {
    ledger.acknowledged.set(key, { id: idOf(answer), startMin });
    if (answer.headers['idempotency-replayed'] === 'true') ledger.replayed += 1;
  } else if (answer.status === 409 && codeOf(answer) === 'appointment.slot_taken') ledger.refused.add(key);
  else ledger.others.push(`${answer.status} ${codeOf(answer)}`);
}

const idOf = ({ body }: Answer): string => (JSON.parse(body) as { id: string }).id;

/** Acknowledged keys whose visit or idempotency row is not there exactly once. */
async function missingOf(own: Run, { acknowledged }: Ledger): Promise<number> {
  const [row] = await sql<{ missing: number }>(
    own,
    `select count(*)::int as missing
       from unnest($2::text[], $3::uuid[], $4::int[]) as told (key, id, start_min)
      where (select count(*) from appointment a
              where a.tenant_id = $1 and a.id = told.id and a.start_min = told.start_min and a.status = 'booked') <> 1
         or (select count(*) from idempotency_key k where k.tenant_id = $1 and k.key = told.key) <> 1`,
    [
      own.tenantId,
      [...acknowledged.keys()],
      [...acknowledged.values()].map(({ id }) => id),
      [...acknowledged.values()].map(({ startMin }) => startMin),
    ],
  );
  return row?.missing ?? Number.NaN;
}

/** Sends every acknowledged key once more; counts answers that are not the same visit, replayed. */
async function wronglyReplayed(own: Run, authorization: Headers, clinic: Clinic, ledger: Ledger): Promise<number> {
  const waiting = [...ledger.acknowledged];
  let wrong = 0;
  const replay = async (connection: HttpConnection) => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [key, { id, startMin }] = next;
      const headers = { ...authorization, 'idempotency-key': key };
      const answer = await connection.request('POST', appointmentsPath, headers, bookingBody(clinic, startMin));
      const same = answer.status === 201 && answer.headers['idempotency-replayed'] === 'true' && idOf(answer) === id;
      if (!same) wrong += 1;
    }
    connection.close();
  };
  const urls = own.stack.apis.map(({ url }) => url);
  await Promise.all(
    Array.from({ length: replaysAtOnce }, (_, n) => replay(new HttpConnection(urls[n % urls.length] ?? ''))),
  );
  return wrong;
}

async function verdict(
  own: Run,
  authorization: Headers,
  clinic: Clinic,
  ledger: Ledger,
  killed: number,
): Promise<Outcome> {
  const missing = await missingOf(own, ledger);
  const wrongReplays = await wronglyReplayed(own, authorization, clinic, ledger);
  const { booked, halfDone, orphans, overlaps, idempotencyRows } = await inspect(own);
  const acknowledged = ledger.acknowledged.size;
  const visits = new Set([...ledger.acknowledged.values()].map(({ id }) => id)).size;
  // A key that was never answered may have been booked or not; both are legitimate.
  const unasked = Math.max(0, booked - acknowledged - ledger.unanswered.size);
  const figures = {
    kills: killed,
    clients,
    acknowledged,
    booked,
    refused: ledger.refused.size,
    unanswered: ledger.unanswered.size,
    retries: ledger.retries,
    brokenConnections: ledger.brokenConnections,
    busyAnswers: ledger.busy,
    replayed: ledger.replayed,
    otherAnswers: ledger.others.length,
    missing,
    twice: acknowledged - visits + unasked,
    halfDone,
    orphans,
    overlaps,
    wrongReplays,
    p50Ms: rounded(percentile(ledger.latenciesMs, 0.5)),
    p99Ms: rounded(percentile(ledger.latenciesMs, 0.99)),
    maxMs: rounded(percentile(ledger.latenciesMs, 1)),
  };
  say(
    `${killed} kills, ${acknowledged} acknowledged, ${ledger.retries} retried, ${ledger.replayed} replayed, ` +
      `${ledger.refused.size} refused, ${ledger.unanswered.size} unanswered: ${missing} missing, ${figures.twice} twice, ` +
      `${halfDone + orphans} half done, ${overlaps} overlapping, ${wrongReplays} wrongly replayed.`,
  );
  if (ledger.others.length > 0) say(`Other answers: ${[...new Set(ledger.others)].join(', ')}`);
  const broken = missing + figures.twice + halfDone + orphans + overlaps + wrongReplays + ledger.others.length;
  const counted = booked >= acknowledged && idempotencyRows === booked;
  return { passed: killed === kills && acknowledged > 0 && broken === 0 && counted, figures };
}

await run('kill-api', drill);
