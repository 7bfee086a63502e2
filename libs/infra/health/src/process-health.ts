import { monotonicMs } from '#infra/kernel';
import type { CheckStatus } from './readiness.js';

export interface ProcessReport {
  /** 'degraded': the event loop has just stood still, and everybody waited. */
  readonly status: CheckStatus;
  readonly uptimeS: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly rssBytes: number;
  /** Processors in use, on average over the last seconds: 1 is a whole one; helper threads can make it more. */
  readonly cpu: number;
  /** The longest that the event loop has stood still in the last seconds. */
  readonly eventLoopDelayMs: number;
}

interface Mark {
  readonly at: number;
  readonly cpuMs: number;
  /** How much later than it should have been. */
  readonly lateMs: number;
}

const tickMs = 250;
const marksMax = 20;
/** Stops longer than that are felt by whoever waits for an answer. */
export const stoppedMs = 500;

/** How this process itself stands: memory now, processors and event loop over the last five seconds. */
export class ProcessHealth {
  #marks: readonly Mark[] = [];
  #timer: NodeJS.Timeout | undefined;

  start(): void {
    if (this.#timer !== undefined) return;
    this.#marks = [{ at: monotonicMs(), cpuMs: cpuMs(), lateMs: 0 }];
    this.#timer = setInterval(() => this.#mark(), tickMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  read(): ProcessReport {
    const { heapUsed, heapTotal, rss } = process.memoryUsage();
    const eventLoopDelayMs = Math.round(
      Math.max(0, this.#sinceLastMark() - tickMs, ...this.#marks.map((m) => m.lateMs)),
    );
    return {
      status: eventLoopDelayMs > stoppedMs ? 'degraded' : 'up',
      uptimeS: Math.round(process.uptime()),
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      rssBytes: rss,
      cpu: this.#cpu(),
      eventLoopDelayMs,
    };
  }

  #mark(): void {
    const mark = { at: monotonicMs(), cpuMs: cpuMs(), lateMs: Math.max(0, this.#sinceLastMark() - tickMs) };
    this.#marks = [...this.#marks, mark].slice(-marksMax);
  }

  #sinceLastMark(): number {
    const last = this.#marks.at(-1);
    return last === undefined ? 0 : monotonicMs() - last.at;
  }

  #cpu(): number {
    const [first] = this.#marks;
    const elapsedMs = first === undefined ? 0 : monotonicMs() - first.at;
    if (first === undefined || elapsedMs <= 0) return 0;
    return Math.round(((cpuMs() - first.cpuMs) / elapsedMs) * 100) / 100;
  }
}

/** Of all threads, since the process began. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
