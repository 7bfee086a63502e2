import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Where time went, from Linux's /proc; NaN elsewhere. Milliseconds of one processor. */
export interface CpuMs {
  /** The app's process. */
  readonly app: number;
  /** The server with all its backends, those that have ended included. */
  readonly postgres: number;
  /** This process. */
  readonly generator: number;
  /** Programs that this process has waited for: pgbench. */
  readonly programs: number;
}

export function cpuSince(appPid: number | undefined, postmasterPid: number): () => CpuMs {
  const before = cpuNow(appPid, postmasterPid);
  return () => {
    const now = cpuNow(appPid, postmasterPid);
    return {
      app: now.app - before.app,
      postgres: now.postgres - before.postgres,
      generator: now.generator - before.generator,
      programs: now.programs - before.programs,
    };
  };
}

/** All that a process has used so far. */
export const processCpuMs = (pid: number): number => timesOf(pid).ownMs;

function cpuNow(appPid: number | undefined, postmasterPid: number): CpuMs {
  try {
    const own = timesOf(process.pid);
    const postmaster = timesOf(postmasterPid);
    const backends = childrenOf(postmasterPid).reduce((sum, { ownMs }) => sum + ownMs, 0);
    return {
      app: appPid === undefined ? 0 : timesOf(appPid).ownMs,
      postgres: postmaster.ownMs + postmaster.endedMs + backends,
      generator: own.ownMs,
      programs: own.endedMs,
    };
  } catch {
    return { app: Number.NaN, postgres: Number.NaN, generator: Number.NaN, programs: Number.NaN };
  }
}

interface Times {
  readonly parent: number;
  readonly ownMs: number;
  /** Of children that have ended and were waited for. */
  readonly endedMs: number;
}

/** proc(5): fields 4 (parent), 14 and 15 (own), 16 and 17 (ended children), in ticks. */
export function readTimes(stat: string, ticksPerSecond: number): Times {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (n: number): number => Number(fields[n - 3]);
  const ms = (ticks: number): number => (ticks * 1000) / ticksPerSecond;
  return { parent: field(4), ownMs: ms(field(14) + field(15)), endedMs: ms(field(16) + field(17)) };
}

let ticks: number | undefined;
const ticksPerSecond = (): number => {
  ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return ticks;
};

const timesOf = (pid: number | string): Times => readTimes(readFileSync(`/proc/${pid}/stat`, 'utf8'), ticksPerSecond());

const childrenOf = (parent: number): readonly Times[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(timesIfThere)
    .filter((times) => times?.parent === parent)
    .filter((times) => times !== undefined);

function timesIfThere(pid: string): Times | undefined {
  try {
    return timesOf(pid);
  } catch {
    return undefined;
  }
}
