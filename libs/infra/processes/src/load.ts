import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How a process fares: what a balancer should know of it. */
export interface Load {
  /** Mean delay of the event loop since the last look. */
  readonly delayMs: number;
  /** It is ready for requests. */
  readonly serving: boolean;
}

const resolutionMs = 10;
/** A loop that is this late is busy, not overloaded. */
const unhurriedMs = 10;
const leastPercent = 5;
const nanosecondsPerMs = 1e6;

/** The share of its usual requests that a process should get: half at twice the delay, never nothing. */
export const weightOf = (delayMs: number): number =>
  Math.max(leastPercent, Math.round(100 * Math.min(1, unhurriedMs / Math.max(delayMs, 1))));

/** How late timers of this process are. */
export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: resolutionMs });

  constructor() {
    this.#histogram.enable();
  }

  /** Mean delay since the last call. */
  read(): number {
    const { mean, count } = this.#histogram;
    this.#histogram.reset();
    return count === 0 ? 0 : Math.max(0, mean / nanosecondsPerMs - resolutionMs);
  }

  stop(): void {
    this.#histogram.disable();
  }
}
