import { availableParallelism, totalmem } from 'node:os';
import type { Concurrency } from './processes.config.js';

export interface Machine {
  readonly processors: number;
  readonly memoryBytes: number;
}

/** 2 GB of heap, and what a process needs besides. */
export const memoryPerWorkerBytes = 2.5 * 2 ** 30;

/** How many workers: what was asked for, or a processor each but one, as long as memory lasts; never none. */
export function crewSize(asked: Concurrency, { processors, memoryBytes }: Machine): number {
  if (asked !== 'auto') return asked;
  const byProcessors = Math.max(1, processors - 1);
  return Math.max(1, Math.min(byProcessors, Math.floor(memoryBytes / memoryPerWorkerBytes)));
}

/** As far as this process may use it: processor affinity and a container's memory limit count. */
export function thisMachine(): Machine {
  const limitBytes = process.constrainedMemory();
  const memoryBytes = limitBytes > 0 ? Math.min(limitBytes, totalmem()) : totalmem();
  return { processors: availableParallelism(), memoryBytes };
}
