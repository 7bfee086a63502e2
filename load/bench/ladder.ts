import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AppProcess, findPort } from '#infra/testing';
import { ApiClient } from '../api-client.js';
import { makeClinic } from '../clinic.js';
import { type Headers, HttpConnection } from '../http-client.js';
import { type BareServer, type Measured, measure, pin, type Rung, startBareServer } from '../ladder/rungs.js';
import { median, type Outcome, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';

const usualRounds = 9;
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
  const options = { profile: { type: 'string' }, rung: { type: 'string' }, rounds: { type: 'string' } } as const;
  const { values } = parseArgs({ options });
  const rounds = Number(values.rounds ?? usualRounds);
  const profiled: Readonly<Record<string, string>> =
    values.profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${resolve(values.profile)}` };
  say(
    'Bench ladder: what each layer adds to a read, in processor time of the api process, against Fastify alone answering ' +
      `the same bytes. ${rounds} rounds of ${seconds} s a rung, in turns; medians count.`,
  );
  const environment = { ...raisedLimits, ...profiled };
  return onOwnStack({ apis: 1, servers: 2, environment }, (own) => climb(own, rounds, values.rung));
}

async function climb(own: Run, rounds: number, only: string | undefined): Promise<Outcome> {
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
    const steps = rungs.map((own, n): Step => ({ own, alone: { ...bare, name: 'bare', path: `/${n}`, headers: {} } }));
    return verdict(await inTurns(steps, rounds).finally(fallAsleep), { pinned, rounds });
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

/** A rung, and Fastify alone answering the same. */
interface Step {
  readonly own: Rung;
  readonly alone: Rung;
}

interface MeasuredStep {
  readonly name: string;
  readonly own: Measured;
  readonly alone: Measured;
  /** Of one right after the other: a machine that is slow for some seconds is so for both. */
  readonly ratio: number;
}

async function inTurns(steps: readonly Step[], rounds: number): Promise<MeasuredStep[]> {
  const pairs = steps.map(() => [] as { readonly own: Measured; readonly alone: Measured }[]);
  for (const { own, alone } of steps) for (const rung of [alone, own]) await measure(rung, warmUpSeconds);
  for (let round = 0; round < rounds; round += 1)
    for (const [n, { own, alone }] of steps.entries())
      pairs[n]?.push({ alone: await measure(alone, seconds), own: await measure(own, seconds) });
  return steps.map(({ own: { name } }, n) => {
    const pairsOf = pairs[n] ?? [];
    return {
      name,
      own: middleOf(pairsOf.map(({ own }) => own)),
      alone: middleOf(pairsOf.map(({ alone }) => alone)),
      ratio: median(pairsOf.map(({ own, alone }) => alone.cpuUs / own.cpuUs)),
    };
  });
}

const middleOf = (all: readonly Measured[]): Measured => ({
  cpuUs: median(all.map(({ cpuUs }) => cpuUs)),
  perSecond: median(all.map(({ perSecond }) => perSecond)),
});

function verdict(steps: readonly MeasuredStep[], how: { readonly pinned: boolean; readonly rounds: number }): Outcome {
  const figures: Record<string, number | boolean> = { ...how, secondsARound: seconds };
  let below = 0;
  for (const { name, own, alone, ratio } of steps) {
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
