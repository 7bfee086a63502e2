import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AppProcess, findPort } from '#infra/testing';
import { ApiClient } from '../api-client.js';
import { makeClinic } from '../clinic.js';
import { type Headers, HttpConnection } from '../http-client.js';
import { type BareServer, type Measured, measure, pin, type Rung, startBareServer } from '../ladder/rungs.js';
import { median, type Outcome, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';

const rounds = 9;
const seconds = 2;
const warmUpSeconds = 3;
const aimed = { cache: 0.4, audit: 0.2 } as const;
const base = '/api/v1';

/** Every limit is counted, and none is reached. */
const most = '10000000';
const raisedLimits = {
  ENABLE_RATE_LIMITING: 'true',
  RATE_LIMIT_GENERAL: most,
  RATE_LIMIT_ANONYMOUS: most,
  RATE_LIMIT_AUTHENTICATED: most,
  RATE_LIMIT_PREMIUM: most,
  RATE_LIMIT_EDGE: most,
  RATE_LIMIT_ENTERPRISE: most,
};

async function bench(): Promise<Outcome> {
  const { values } = parseArgs({ options: { profile: { type: 'string' }, rung: { type: 'string' } } });
  const profiled: Readonly<Record<string, string>> =
    values.profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${resolve(values.profile)}` };
  say(
    'Bench ladder: what each layer adds to a read, in processor time of the api process, against Fastify alone answering ' +
      `the same bytes. ${rounds} rounds of ${seconds} s a rung, in turns; medians count.`,
  );
  const environment = { ...raisedLimits, ...profiled };
  return onOwnStack({ apis: 1, servers: 2, environment }, (own) => climb(own, values.rung));
}

async function climb(own: Run, only: string | undefined): Promise<Outcome> {
  const [limited] = own.stack.apis;
  if (limited === undefined) throw new Error('the stack has no api');
  const unlimited = await startUnlimited(own);
  const servers: BareServer[] = [];
  try {
    const all = await rungsOf(own, limited, unlimited);
    const rungs = only === undefined ? all : all.filter(({ name }) => name === only);
    const answers = await Promise.all(rungs.map(answerOf));
    const bare = await startBareServer(answers);
    servers.push(bare);
    const pinned = [bare.pid, ...new Set(rungs.map(({ pid }) => pid))].every((pid) => pin(pid, 0));
    if (pinned) pin(process.pid, 1);
    const fallAsleep = stayAwake();
    const alone = answers.map((_, n): Rung => ({ ...bare, name: `bare ${n}`, path: `/${n}`, headers: {} }));
    return verdict(rungs, await inTurns([...alone, ...rungs]).finally(fallAsleep), pinned);
  } finally {
    for (const server of servers) server.stop();
    await unlimited.stop();
  }
}

/** Waking a process that sleeps costs whoever answers it more than the answer, and only a slow one lets the load fall asleep. */
function stayAwake(): () => void {
  let isOver = false;
  const turn = (): void => {
    if (!isOver) setImmediate(turn);
  };
  turn();
  return () => {
    isOver = true;
  };
}

/** A second api on the same data that counts no limits. */
async function startUnlimited({ stack }: Run): Promise<AppProcess> {
  const port = await findPort('the api without limits', [], () => undefined);
  const api = new AppProcess({
    name: 'api-unlimited',
    app: 'api',
    port,
    environment: {
      ...stack.environment,
      ENABLE_RATE_LIMITING: 'false',
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: String(port),
    },
    pidFolder: stack.cluster.home,
    onLine: () => undefined,
  });
  await api.start();
  return api;
}

/** From the lowest: each has everything that the one before it has. */
async function rungsOf(own: Run, limited: AppProcess, unlimited: AppProcess): Promise<Rung[]> {
  const api = await ApiClient.login(limited.url, own.credentials);
  const { serviceId } = await makeClinic(api, { name: 'Harbour', triples: 1, stepMin: 30 });
  const member = await api.call<{ id: string }>('POST', '/members', {
    name: { given: 'Ada', family: 'Moreau' },
    idScheme: 'generic',
    idNumber: 'LADDER-1',
    membership: { from: '2026-01-01', tz: 'Etc/UTC' },
  });
  api.close();
  const at = (name: string, process: AppProcess, path: string, headers: Headers = api.headers): Rung => {
    if (process.pid === undefined) throw new Error(`${process.name} has ended`);
    return { name, pid: process.pid, url: process.url, path, headers };
  };
  return [
    at('edge', limited, '/health/live', {}),
    at('auth', unlimited, `${base}/plans`),
    at('limits', limited, `${base}/plans`),
    at('cache', limited, `${base}/services/${serviceId}`),
    at('audit', limited, `${base}/members/${member.id}`),
  ];
}

async function answerOf({ url, path, headers }: Rung) {
  const connection = new HttpConnection(url);
  const answer = await connection.request('GET', path, headers);
  connection.close();
  if (answer.status !== 200) throw new Error(`${path} was answered with ${answer.status}: ${answer.body}`);
  return { type: answer.headers['content-type'] ?? '', body: answer.body };
}

async function inTurns(rungs: readonly Rung[]): Promise<ReadonlyMap<string, Measured>> {
  const measured = new Map(rungs.map(({ name }) => [name, [] as Measured[]]));
  for (const rung of rungs) await measure(rung, warmUpSeconds);
  for (let round = 0; round < rounds; round += 1)
    for (const rung of rungs) measured.get(rung.name)?.push(await measure(rung, seconds));
  return new Map(
    [...measured].map(([name, all]) => [
      name,
      { cpuUs: median(all.map(({ cpuUs }) => cpuUs)), perSecond: median(all.map(({ perSecond }) => perSecond)) },
    ]),
  );
}

function verdict(rungs: readonly Rung[], measured: ReadonlyMap<string, Measured>, pinned: boolean): Outcome {
  const figures: Record<string, number | boolean> = { pinned, rounds, secondsARound: seconds };
  let below = 0;
  for (const [n, { name }] of rungs.entries()) {
    const own = measured.get(name);
    const alone = measured.get(`bare ${n}`);
    if (own === undefined || alone === undefined) throw new Error(`${name} was not measured`);
    const ratio = alone.cpuUs / own.cpuUs;
    say(
      `  ${name.padEnd(7)}${own.cpuUs.toFixed(1).padStart(7)} µs a request, ${(own.cpuUs - below).toFixed(1).padStart(6)} more ` +
        `than below; Fastify alone ${alone.cpuUs.toFixed(1)} µs: ratio ${ratio.toFixed(2)}; ${own.perSecond.toFixed(0)}/s`,
    );
    below = own.cpuUs;
    figures[`${name}CpuUs`] = rounded(own.cpuUs);
    figures[`${name}BareCpuUs`] = rounded(alone.cpuUs);
    figures[`${name}Ratio`] = rounded(ratio, 3);
    figures[`${name}PerSecond`] = rounded(own.perSecond, 0);
  }
  const passed = Object.entries(aimed).every(([name, least]) => Number(figures[`${name}Ratio`] ?? 0) >= least);
  say(
    `Aimed: at least ${aimed.cache} of Fastify alone without personal data, ${aimed.audit} with its record of the reading.`,
  );
  return { passed, figures: { ...figures, aimedCacheRatio: aimed.cache, aimedAuditRatio: aimed.audit } };
}

await run('ladder', bench);
