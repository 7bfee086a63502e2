import { setTimeout as sleep } from 'node:timers/promises';
import { parseConfig } from '#infra/config';
import { throttlingConfig } from '#infra/throttling';
import { HttpConnection } from '../http-client.js';
import {
  type Heard,
  type Limited,
  type LimitedTenant,
  type Office,
  onLimitedStack,
  timed,
} from '../limits/limited-stack.js';
import { median, type Outcome, percentile, rounded, run, say } from '../report.js';

const victims: readonly LimitedTenant[] = [
  { slug: 'calm-free', plan: 'FREE', ip: '203.0.113.1' },
  { slug: 'calm-basic', plan: 'BASIC', ip: '203.0.113.2' },
  { slug: 'calm-pro', plan: 'PROFESSIONAL', ip: '203.0.113.3' },
  { slug: 'calm-enterprise', plan: 'ENTERPRISE', ip: '203.0.113.4' },
];
const noisy: LimitedTenant = { slug: 'noisy', plan: 'FREE', ip: '203.0.113.9' };
/** What a FREE tenant has in 15 minutes. */
const planLimit = parseConfig({ throttling: throttlingConfig }, {}).throttling.free;
const timesItsPlan = 10;
const rounds = 6;
const quietMs = 5_000;
const loudMs = 5_000;
const noisyConnections = 8;
/** A request of each calm tenant; a minute of this stays below 80 % of the smallest plan. */
const calmEveryMs = 160;
const aimedRatio = 2;
const path = '/api/v1/services?limit=1';

type Phase = 'quiet' | 'loud';
interface Stage {
  phase: Phase;
}

async function drill(): Promise<Outcome> {
  const perBurst = Math.ceil((timesItsPlan * planLimit) / rounds);
  const calls = perBurst * rounds;
  const eachMs = loudMs / perBurst;
  say(
    `Drill noisy-neighbour: one tenant sends ${timesItsPlan} times what its plan allows while ${victims.length} others work.`,
  );
  say(
    `The noisy tenant's plan (${noisy.plan}) has ${planLimit} requests in 15 minutes; it sends ${calls} in ` +
      `${(rounds * loudMs) / 1000} s, in ${rounds} bursts over two api processes. Between them it is quiet: that is the baseline.`,
  );
  const plan = { apis: 2, tenants: [...victims, noisy], environment: { RATE_LIMIT_GENERAL: '1000000' } };
  return onLimitedStack(plan, async (own) => {
    const loud = own.offices.at(-1);
    if (loud === undefined) throw new Error('nobody is noisy');
    const stage: Stage = { phase: 'quiet' };
    const stopping = new AbortController();
    const calm = own.offices.slice(0, -1).map((office, n) => work(stopping.signal, own, office, n, stage));
    await sleep(quietMs);
    const noise: Heard[] = [];
    for (let round = 0; round < rounds; round += 1) {
      stage.phase = 'quiet';
      await sleep(quietMs);
      stage.phase = 'loud';
      noise.push(...(await burst(own, loud, perBurst, eachMs)));
    }
    stopping.abort();
    return verdict(await Promise.all(calm), noise, calls);
  });
}

interface CalmHeard extends Heard {
  readonly phase: Phase;
}

/** A tenant at work, evenly, whatever the others do. Answers that began before the first pause are for warming up. */
async function work(
  stop: AbortSignal,
  { stack }: Limited,
  office: Office,
  n: number,
  stage: Stage,
): Promise<CalmHeard[]> {
  const connection = new HttpConnection(stack.apis[n % stack.apis.length]?.url ?? '');
  const heard: CalmHeard[] = [];
  const startedAt = performance.now();
  let next = startedAt;
  while (!stop.aborted) {
    const { phase } = stage;
    const answer = await timed(connection.request('GET', path, office.headers));
    if (next - startedAt > quietMs && phase === stage.phase) heard.push({ ...answer, phase });
    next += calmEveryMs;
    await sleep(Math.max(0, next - performance.now()));
  }
  connection.close();
  return heard;
}

/** `calls` in all, evenly over the burst. */
async function burst({ stack }: Limited, office: Office, calls: number, eachMs: number): Promise<Heard[]> {
  const startedAt = performance.now();
  let sent = 0;
  const line = async (n: number): Promise<Heard[]> => {
    const connection = new HttpConnection(stack.apis[n % stack.apis.length]?.url ?? '');
    const heard: Heard[] = [];
    for (let call = sent++; call < calls; call = sent++) {
      await sleep(Math.max(0, startedAt + call * eachMs - performance.now()));
      heard.push(await timed(connection.request('GET', path, office.headers)));
    }
    connection.close();
    return heard;
  };
  return (await Promise.all(Array.from({ length: noisyConnections }, (_, n) => line(n)))).flat();
}

function verdict(calm: readonly CalmHeard[][], noise: readonly Heard[], calls: number): Outcome {
  const all = calm.flat();
  const latencies = (phase: Phase) => all.filter((one) => one.phase === phase).map(({ ms }) => ms);
  const quietP99Ms = percentile(latencies('quiet'), 0.99);
  const loudP99Ms = percentile(latencies('loud'), 0.99);
  const served = noise.filter(({ status }) => status === 200).length;
  const refused = noise.filter(({ status }) => status === 429).length;
  const figures = {
    noisyCalls: calls,
    noisyServed: served,
    noisyRefused: refused,
    noisyRefusalMs: rounded(median(noise.filter(({ status }) => status === 429).map(({ ms }) => ms)), 2),
    calmAnswers: all.length,
    calmRefused: all.filter(({ status }) => status === 429).length,
    calmOtherFailures: all.filter(({ status }) => status !== 200 && status !== 429).length,
    baselineP50Ms: rounded(median(latencies('quiet'))),
    besideNoiseP50Ms: rounded(median(latencies('loud'))),
    baselineP99Ms: rounded(quietP99Ms),
    besideNoiseP99Ms: rounded(loudP99Ms),
    ratioP99: rounded(loudP99Ms / quietP99Ms, 2),
  };
  const calmAreWell = figures.calmRefused === 0 && figures.calmOtherFailures === 0;
  const noisyIsHeld = served <= planLimit + 2 * 5 && served + refused === calls;
  return { passed: calmAreWell && noisyIsHeld && figures.ratioP99 < aimedRatio, figures };
}

await run('noisy-neighbour', drill);
