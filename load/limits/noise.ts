import { setTimeout as sleep } from 'node:timers/promises';
import { type Figures, median, percentile, rounded } from '../report.js';

/** One request, and what it was answered with: 0 where the connection broke. */
export type Send = () => Promise<number>;

export interface Victim {
  readonly everyMs: number;
  readonly send: Send;
}

export interface NoisePlan {
  readonly victims: readonly Victim[];
  /** Each sends one request at a time. */
  readonly noisy: readonly Send[];
  /** Of the noisy tenant, over all rounds. */
  readonly calls: number;
  /** Each is first quiet and then loud: whatever else the machine does meets both alike. */
  readonly rounds: number;
  readonly phaseMs: number;
  /** At the beginning, and not counted. */
  readonly warmUpMs: number;
}

type Phase = 'warming' | 'quiet' | 'loud';

interface Heard {
  readonly phase: Phase;
  readonly status: number;
  readonly ms: number;
}

export interface NoiseHeard {
  readonly calm: readonly (readonly Heard[])[];
  readonly noise: readonly Heard[];
}

/** Victims at work, evenly, and a neighbour who sends its calls in bursts. */
export async function besideNoise(plan: NoisePlan): Promise<NoiseHeard> {
  const { victims, calls, rounds, phaseMs, warmUpMs } = plan;
  const stage: { phase: Phase; over: boolean } = { phase: 'warming', over: false };
  const calm = victims.map((victim) => work(victim, stage));
  await sleep(warmUpMs);
  const noise: Heard[] = [];
  for (let round = 0; round < rounds; round += 1) {
    stage.phase = 'quiet';
    await sleep(phaseMs);
    stage.phase = 'loud';
    const before = Math.floor((calls * round) / rounds);
    noise.push(...(await burst(plan, Math.floor((calls * (round + 1)) / rounds) - before)));
  }
  stage.over = true;
  return { calm: await Promise.all(calm), noise };
}

/** An answer counts for a phase that it began and ended in. */
async function work({ everyMs, send }: Victim, stage: { phase: Phase; over: boolean }): Promise<Heard[]> {
  const heard: Heard[] = [];
  for (let next = performance.now(); !stage.over; next += everyMs) {
    await sleep(Math.max(0, next - performance.now()));
    const { phase } = stage;
    const answer = await timed(phase, send);
    if (phase === stage.phase && phase !== 'warming') heard.push(answer);
  }
  return heard;
}

/** `calls` in all, evenly over the phase. */
async function burst({ noisy, phaseMs }: NoisePlan, calls: number): Promise<Heard[]> {
  const startedAt = performance.now();
  const heard: Heard[] = [];
  let sent = 0;
  const line = async (send: Send) => {
    for (let call = sent++; call < calls; call = sent++) {
      await sleep(Math.max(0, startedAt + (call * phaseMs) / calls - performance.now()));
      heard.push(await timed('loud', send));
    }
  };
  await Promise.all(noisy.map(line));
  return heard;
}

async function timed(phase: Phase, send: Send): Promise<Heard> {
  const startedAt = performance.now();
  const status = await send();
  return { phase, status, ms: performance.now() - startedAt };
}

/** What the victims had beside the noise, in parts of what they had without it. */
export function noiseFigures({ calm, noise }: NoiseHeard) {
  const all = calm.flat();
  const times = (some: readonly Heard[], phase: Phase) => some.filter((one) => one.phase === phase).map(({ ms }) => ms);
  const at = (share: number, phase: Phase) => percentile(times(all, phase), share);
  const ratio = (share: number) => rounded(at(share, 'loud') / at(share, 'quiet'), 2);
  const refused = noise.filter(({ status }) => status === 429);
  return {
    noisyServed: noise.filter(({ status }) => status === 200).length,
    noisyRefused: refused.length,
    noisyRefusalMs: rounded(median(refused.map(({ ms }) => ms)), 2),
    calmAnswers: all.length,
    calmRefused: all.filter(({ status }) => status === 429).length,
    calmOtherFailures: all.filter(({ status }) => status !== 200 && status !== 429).length,
    baselineP50Ms: rounded(at(0.5, 'quiet'), 2),
    besideNoiseP50Ms: rounded(at(0.5, 'loud'), 2),
    baselineP95Ms: rounded(at(0.95, 'quiet'), 2),
    besideNoiseP95Ms: rounded(at(0.95, 'loud'), 2),
    ratioP95: ratio(0.95),
    baselineP99Ms: rounded(at(0.99, 'quiet'), 2),
    besideNoiseP99Ms: rounded(at(0.99, 'loud'), 2),
    ratioP99: ratio(0.99),
  } satisfies Figures;
}
