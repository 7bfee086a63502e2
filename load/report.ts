import { cpus, release, totalmem } from 'node:os';

export type Figures = Readonly<Record<string, number | string | boolean>>;

export const say = (line: string): void => console.log(line);

/** The last line of every bench and drill: one line of JSON. The exit status follows `passed`. */
export function report(name: string, passed: boolean, figures: Figures): void {
  const processors = cpus();
  const machine = {
    cores: processors.length,
    cpu: processors[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${release()}`,
    node: process.version,
  };
  console.log(JSON.stringify({ name, passed, figures, machine }));
  process.exitCode = passed ? 0 : 1;
}

/** The value below which `share` of them lie; nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits));
