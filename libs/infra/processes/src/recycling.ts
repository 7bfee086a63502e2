import { getHeapStatistics } from 'node:v8';
import type { Log } from '#infra/telemetry';
import { bytesOf } from './bytes.js';
import type { ProcessesConfig } from './processes.config.js';

/** Why a process asks to be replaced. */
export type RetireReason = 'memory' | 'requests' | 'signal';

export const checksInRow = 3;
const jitter = 0.1;
/** V8 ends the process at its own limit; whoever wants to drain before must act below it. */
const shareOfEngineLimit = 0.8;
/** Three semi-spaces of 64 MB, V8's default of 64-bit processes; where it is smaller, the guard acts a little early. */
const youngGenerationBytes = 192 * 2 ** 20;

/** The heap is too large when several checks in a row find it so: one alone may see what the next collection frees. */
export class HeapGuard {
  #over = 0;

  constructor(readonly limitBytes: number) {}

  isTooLarge(heapBytes: number): boolean {
    this.#over = heapBytes > this.limitBytes ? this.#over + 1 : 0;
    return this.#over >= checksInRow;
  }
}

/** What the guard holds a process to: the configured limit, or less where V8 would end the process first. */
export const heapLimitBytes = (configuredBytes: number, engineBytes: number): number =>
  Math.min(configuredBytes, Math.floor(engineBytes * shareOfEngineLimit));

/** The engine's limit, in MiB, that leaves room above the configured one. */
export const engineLimitMb = (configuredBytes: number): number =>
  Math.ceil(configuredBytes / shareOfEngineLimit / 2 ** 20);

/** V8's limit of the old generation, where leaks end: `heap_size_limit` also counts room for the young one. */
export const engineHeapLimitBytes = (): number => getHeapStatistics().heap_size_limit - youngGenerationBytes;

/** `limit` ± 10 %, so that processes started together do not all go together. `random` is from 0 to 1. */
export const jittered = (limit: number, random: number): number =>
  Math.max(1, Math.round(limit * (1 + jitter * (2 * random - 1))));

export interface RecyclingRules {
  readonly heapLimitBytes: number;
  /** 0: no limit. */
  readonly requestLimit: number;
  readonly checkEveryMs: number;
  /** Called at each check for as long as the process should go. */
  readonly retire: (reason: RetireReason) => void;
}

/** The rules that the configuration gives this process. */
export function recyclingRules(
  { maxHeap, maxRequests, checkEveryMs }: ProcessesConfig,
  log: Log,
  retire: RecyclingRules['retire'],
): RecyclingRules {
  const configuredBytes = bytesOf(maxHeap) ?? 0;
  const limitBytes = heapLimitBytes(configuredBytes, engineHeapLimitBytes());
  if (limitBytes < configuredBytes)
    log.warn('memory.limit_lowered', {
      bytes: limitBytes,
      hint: 'Node itself ends at less than WORKER_MAX_HEAP needs: raise --max-old-space-size',
    });
  const requestLimit = maxRequests === 0 ? 0 : jittered(maxRequests, Math.random());
  return { heapLimitBytes: limitBytes, requestLimit, checkEveryMs, retire };
}

/** Watches one process's heap and counts its requests. */
export class Recycling {
  readonly #guard: HeapGuard;
  #requests = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly rules: RecyclingRules) {
    this.#guard = new HeapGuard(rules.heapLimitBytes);
  }

  start(): void {
    this.#timer = setInterval(() => this.#check(), this.rules.checkEveryMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  countRequest(): void {
    this.#requests += 1;
    if (this.#requests === this.rules.requestLimit) this.rules.retire('requests');
  }

  #check(): void {
    const { requestLimit, retire } = this.rules;
    if (this.#guard.isTooLarge(getHeapStatistics().used_heap_size)) retire('memory');
    else if (requestLimit > 0 && this.#requests >= requestLimit) retire('requests');
  }
}
