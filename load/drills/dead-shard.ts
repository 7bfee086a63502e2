import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresServer, stackHome } from '#infra/testing';
import { ApiClient, appointmentsPath } from '../api-client.js';
import { bookingBody, type Clinic, makeClinic, midnightIn } from '../clinic.js';
import { type Answer, type Headers, HttpConnection } from '../http-client.js';
import { type Outcome, percentile, rounded, run, say } from '../report.js';
import { onOwnStack, postgresOf, type Run, type RunTenant } from '../stack.js';

const clientsEach = 4;
const stepMin = 15;
const triples = 4;
const usualMs = 4_000;
const deadMs = 12_000;
const afterMs = 4_000;
const namedWithinMs = 5_000;
const backWithinMs = 15_000;
const probeEveryMs = 100;
const deadServer = 1;

/** While the server stops, commits under way may be in doubt; from then on every answer must be a plain refusal. */
const phases = ['before', 'stopping', 'dead', 'after'] as const;
type Phase = (typeof phases)[number];

/** What the clients of one tenant heard in one phase. */
interface Heard {
  ok: number;
  /** 503 `shard.unavailable` with Retry-After. */
  away: number;
  /** Everything else, as `status code`. */
  readonly others: Map<string, number>;
  readonly latenciesMs: number[];
}

interface Office {
  readonly tenant: RunTenant;
  readonly headers: Headers;
  readonly clinic: Clinic;
  readonly heard: Readonly<Record<Phase, Heard>>;
  nextMin: number;
}

/** Turned by the drill, read by every client. */
interface Stage {
  phase: Phase;
  /** Answers that began in one phase and ended in another belong to neither. */
  turned: number;
}

async function drill(): Promise<Outcome> {
  say('Drill dead-shard: one of three shards stops under load, and comes back.');
  say(
    `Three tenants, one on each shard; ${clientsEach} clients each book and list through two api processes. The server of ` +
      'shard 2 is stopped, stays away, and is started again; the api processes run on. Meanwhile the tenants of shards 1 ' +
      'and 3 must not have a single error, the tenant of shard 2 must hear 503 shard.unavailable with Retry-After, and ' +
      '/health/ready must name the shard.',
  );
  const plan = { apis: 2, servers: 3, shard: 'shard-1', furtherTenants: ['shard-2', 'shard-3'] };
  return onOwnStack(plan, async (own) => {
    const offices: Office[] = [];
    for (const tenant of own.tenants) offices.push(await openOffice(own, tenant));
    const stage: Stage = { phase: 'before', turned: 0 };
    const stopping = new AbortController();
    const clients = offices.flatMap((office) =>
      Array.from({ length: clientsEach }, (_, n) => workUntil(stopping.signal, own, office, stage, n)),
    );
    const times = await stopAndStart(own, stage).finally(() => stopping.abort());
    await Promise.all(clients);
    await times.server.stop();
    return verdict(offices, times);
  });
}

async function openOffice({ stack }: Run, tenant: RunTenant): Promise<Office> {
  const api = await ApiClient.login(stack.apis[0]?.url ?? '', tenant.credentials);
  const clinic = await makeClinic(api, { name: `Shard ${tenant.server + 1}`, triples, stepMin });
  api.close();
  const heard = { before: nothing(), stopping: nothing(), dead: nothing(), after: nothing() };
  return { tenant, headers: api.headers, clinic, heard, nextMin: midnightIn(1) };
}

const nothing = (): Heard => ({ ok: 0, away: 0, others: new Map(), latenciesMs: [] });

/** One client: a booking and a list in turn, each when the last one is answered. */
async function workUntil(stop: AbortSignal, { stack }: Run, office: Office, stage: Stage, n: number): Promise<void> {
  const connection = new HttpConnection(stack.apis[n % stack.apis.length]?.url ?? '');
  for (let turn = 0; !stop.aborted; turn += 1) {
    const { phase, turned } = stage;
    const startedAt = performance.now();
    const answer = await (turn % 2 === 0 ? book(connection, office) : list(connection, office)).catch(() => undefined);
    if (stage.turned !== turned) continue;
    note(office.heard[phase], answer, performance.now() - startedAt);
    await sleep(probeEveryMs / 10);
  }
  connection.close();
}

function book(connection: HttpConnection, office: Office): Promise<Answer> {
  const startMin = office.nextMin;
  office.nextMin += stepMin;
  const headers = { ...office.headers, 'idempotency-key': randomUUID() };
  return connection.request('POST', appointmentsPath, headers, bookingBody(office.clinic, startMin));
}

const list = (connection: HttpConnection, { headers }: Office): Promise<Answer> =>
  connection.request('GET', `${appointmentsPath}?limit=10`, headers);

function note(heard: Heard, answer: Answer | undefined, tookMs: number): void {
  const code = /"code":"([^"]+)"/.exec(answer?.body ?? '')?.[1] ?? '';
  const isAway = answer?.status === 503 && code === 'shard.unavailable' && Number(answer.headers['retry-after']) > 0;
  heard.latenciesMs.push(tookMs);
  if (answer !== undefined && answer.status < 300) heard.ok += 1;
  else if (isAway) heard.away += 1;
  else {
    const what = answer === undefined ? 'broken connection' : `${answer.status} ${code}`;
    heard.others.set(what, (heard.others.get(what) ?? 0) + 1);
  }
}

interface Times {
  readonly namedMs: number;
  readonly backMs: number;
  readonly unnamedMs: number;
  /** Status of `/health/ready` while it names the shard. */
  readonly readyStatus: number;
  readonly sameProcesses: boolean;
  /** The one that was started again. */
  readonly server: PostgresServer;
}

async function stopAndStart(own: Run, stage: Stage): Promise<Times> {
  const pids = own.stack.apis.map(({ pid }) => pid);
  await sleep(usualMs);
  const server = postgresOf({ stack: own.stack, server: deadServer });
  const stoppedAt = performance.now();
  turn(stage, 'stopping');
  await server.stop();
  turn(stage, 'dead');
  const named = await untilEach(own, (ready) => ready.shard !== 'up', namedWithinMs * 2);
  const namedMs = performance.now() - stoppedAt;
  say(`  named by /health/ready of every process after ${rounded(namedMs)} ms.`);
  await sleep(deadMs);
  const { dataDir, port, superuser } = server;
  const again = { dataDir, port, superuser, durability: 'durable', binariesHome: stackHome() } as const;
  const started = await PostgresServer.start(again);
  const startedAt = performance.now();
  const backMs = await untilServed(own, startedAt);
  turn(stage, 'after');
  await untilEach(own, (ready) => ready.shard === 'up', backWithinMs);
  const unnamedMs = performance.now() - startedAt;
  await sleep(afterMs);
  const sameProcesses = own.stack.apis.every(({ pid }, n) => pid !== undefined && pid === pids[n]);
  return { namedMs, backMs, unnamedMs, readyStatus: named.status, sameProcesses, server: started };
}

function turn(stage: Stage, phase: Phase): void {
  stage.phase = phase;
  stage.turned += 1;
}

interface Ready {
  readonly status: number;
  readonly shard: string;
}

/** Resolves with the last answer when `/health/ready` of every process says so. */
async function untilEach({ stack }: Run, holds: (ready: Ready) => boolean, timeoutMs: number): Promise<Ready> {
  const endsAt = performance.now() + timeoutMs;
  while (performance.now() < endsAt) {
    const answers = await Promise.all(stack.apis.map(({ url }) => readyOf(url)));
    const [first] = answers;
    if (first !== undefined && answers.every(holds)) return first;
    await sleep(probeEveryMs);
  }
  throw new Error(`/health/ready did not say so within ${timeoutMs} ms`);
}

async function readyOf(url: string): Promise<Ready> {
  const connection = new HttpConnection(url);
  try {
    const { status, body } = await connection.request('GET', '/health/ready', {});
    const { details } = JSON.parse(body) as { details: Record<string, { status: string }> };
    return { status, shard: details[`shard-${deadServer + 1}`]?.status ?? 'absent' };
  } finally {
    connection.close();
  }
}

/** Until every process has served the tenant of the shard that was away. */
async function untilServed(own: Run, startedAt: number): Promise<number> {
  const tenant = own.tenants.find(({ server }) => server === deadServer);
  if (tenant === undefined) throw new Error('nobody lives on the shard that was away');
  const api = await ApiClient.login(own.stack.apis[0]?.url ?? '', tenant.credentials);
  api.close();
  for (const { url } of own.stack.apis) {
    const connection = new HttpConnection(url);
    const served = async () =>
      (await connection.request('GET', `${appointmentsPath}?limit=1`, api.headers)).status < 300;
    while (!(await served()) && performance.now() - startedAt < backWithinMs) await sleep(probeEveryMs);
    connection.close();
  }
  return performance.now() - startedAt;
}

function verdict(offices: readonly Office[], times: Times): Outcome {
  const own = offices.filter(({ tenant }) => tenant.server === deadServer);
  const others = offices.filter(({ tenant }) => tenant.server !== deadServer);
  const sum = (of: readonly Office[], during: readonly Phase[], count: (heard: Heard) => number): number =>
    of.flatMap(({ heard }) => during.map((phase) => count(heard[phase]))).reduce((all, n) => all + n, 0);
  const wrong = (heard: Heard): number => [...heard.others.values()].reduce((all, n) => all + n, 0);
  const latencies = (of: readonly Office[], phase: Phase) => of.flatMap(({ heard }) => heard[phase].latenciesMs);
  const figures = {
    answeredToOthers: sum(others, phases, ({ ok }) => ok),
    answeredToOthersWhileDead: sum(others, ['dead'], ({ ok }) => ok),
    errorsOfOthers: sum(others, phases, (heard) => heard.away + wrong(heard)),
    refusedWhileDead: sum(own, ['dead'], ({ away }) => away),
    answeredWhileDead: sum(own, ['dead'], ({ ok }) => ok),
    otherAnswersWhileDead: sum(own, ['dead'], wrong),
    answeredAfter: sum(own, ['after'], ({ ok }) => ok),
    errorsBefore: sum(own, ['before'], (heard) => heard.away + wrong(heard)),
    errorsAfter: sum(own, ['after'], (heard) => heard.away + wrong(heard)),
    namedMs: rounded(times.namedMs),
    backMs: rounded(times.backMs),
    unnamedMs: rounded(times.unnamedMs),
    readyStatus: times.readyStatus,
    sameProcesses: times.sameProcesses,
    refusalP99Ms: rounded(percentile(latencies(own, 'dead'), 0.99)),
    othersP99BeforeMs: rounded(percentile(latencies(others, 'before'), 0.99)),
    othersP99DeadMs: rounded(percentile(latencies(others, 'dead'), 0.99)),
  };
  for (const { tenant, heard } of offices)
    for (const phase of phases)
      if (heard[phase].others.size > 0)
        say(`  shard ${tenant.server + 1}, ${phase}: ${JSON.stringify(Object.fromEntries(heard[phase].others))}`);
  say(
    `Tenants of shards 1 and 3: ${figures.answeredToOthers} answers, ${figures.errorsOfOthers} errors. Tenant of shard 2: ` +
      `${figures.refusedWhileDead} refusals with Retry-After while it was away, ${figures.otherAnswersWhileDead} other ` +
      `answers; served again ${figures.backMs} ms after its start.`,
  );
  const passed =
    figures.errorsOfOthers + figures.errorsBefore + figures.errorsAfter + figures.otherAnswersWhileDead === 0 &&
    figures.refusedWhileDead > 0 &&
    figures.answeredToOthersWhileDead > 0 &&
    figures.answeredAfter > 0 &&
    figures.namedMs <= namedWithinMs &&
    figures.backMs <= backWithinMs &&
    figures.readyStatus === 200 &&
    figures.sameProcesses;
  return { passed, figures };
}

await run('dead-shard', drill);
