import { cpus, loadavg, release, totalmem } from 'node:os';

export type Figures = Readonly<Record<string, number | string | boolean>>;

export interface Outcome {
  readonly passed: boolean;
  readonly figures: Figures;
}

export const say = (line: string): void => console.log(line);

/** The machine lacks something that the run needs; the message is for the person at the terminal. */
export class CannotRun extends Error {
  override readonly name = 'CannotRun';
}

/** Runs a bench or a drill to its last line, also when it breaks: then `passed` is false and `reason` says why. */
export async function run(name: string, work: () => Promise<Outcome>): Promise<void> {
  try {
    const { passed, figures } = await work();
    report(name, passed, figures);
  } catch (error) {
    console.error(error instanceof CannotRun ? error.message : error);
    report(name, false, { reason: error instanceof Error ? error.message : String(error) });
  }
}

/** The last line of every bench and drill: one line of JSON. The exit status follows `passed`. */
export function report(name: string, passed: boolean, figures: Figures): void {
  const processors = cpus();
  const machine = {
    cores: processors.length,
    cpu: processors[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${release()}`,
    node: process.version,
    loadAverage1Min: rounded(loadavg()[0] ?? Number.NaN, 2),
  };
  console.log(JSON.stringify({ name, passed, figures, machine }));
  process.exitCode = passed ? 0 : 1;
}

/** The value below which `share` of them lie; nearest rank. NaN for no values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

export const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits));
