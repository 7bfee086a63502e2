import { type Place, WaitingLine } from './waiting-line.js';

/** `critical`: people at a desk wait for it (login, booking); `background`: nobody does (analytics, exports). */
export const importances = ['critical', 'normal', 'background'] as const;
export type Importance = (typeof importances)[number];

/** Why somebody was sent away: no room; their place went to somebody more important; waited too long. */
export type Rejection = 'full' | 'displaced' | 'expired';

export interface AdmissionLimits {
  readonly runningMax: number;
  readonly waitingMax: number;
  readonly waitMaxMs: number;
}

export interface AdmissionOptions extends AdmissionLimits {
  /** A clock that never jumps, in milliseconds. */
  readonly nowMs: () => number;
  readonly onRejected?: (importance: Importance, rejection: Rejection) => void;
  /** Somebody who had to wait was let in. */
  readonly onWaited?: (importance: Importance, waitedMs: number) => void;
}

/** Hears once: null when let in, else why not. */
export type Verdict = (rejection: Rejection | null) => void;

interface Waiter {
  readonly importance: Importance;
  readonly verdict: Verdict;
}

/** Of the waiting room; what one does not use, others may, until its owner comes. Free slots are given out in these proportions too. */
const shares: Readonly<Record<Importance, number>> = { critical: 0.5, normal: 0.4, background: 0.1 };
/** When somebody has waited longer than this … */
const staleMs = 500;
/** … and that has been so all this time, the newest goes first: the oldest callers have mostly given up. */
const staleForMs = 5_000;
const sweepEveryMs = 250;

/**
 * A bound on how many requests run together and how many wait for that; the rest are sent away at once. Nothing here
 * takes longer when more wait.
 */
export class Admission {
  #running = 0;
  readonly #lines: Readonly<Record<Importance, WaitingLine<Waiter>>> = {
    critical: new WaitingLine(),
    normal: new WaitingLine(),
    background: new WaitingLine(),
  };
  readonly #credit: Record<Importance, number> = { critical: 0, normal: 0, background: 0 };
  #staleSinceMs: number | undefined;
  #sweep: NodeJS.Timeout | undefined;

  constructor(private readonly options: AdmissionOptions) {}

  get running(): number {
    return this.#running;
  }

  waiting(importance: Importance): number {
    return this.#lines[importance].length;
  }

  /** True: let in, and `leave()` is owed. False: `wait` or go away. */
  enter(): boolean {
    if (this.#running >= this.options.runningMax) return false;
    this.#running += 1;
    return true;
  }

  /**
   * Waits for whoever leaves. The verdict may come before this returns. The answer gives the place up: for callers who
   * went away.
   */
  wait(importance: Importance, verdict: Verdict): () => void {
    const waiter = { importance, verdict };
    if (!this.#hasRoom(importance)) {
      this.#reject(waiter, 'full');
      return () => undefined;
    }
    const line = this.#lines[importance];
    const place = line.join(waiter, this.options.nowMs());
    this.#sweep ??= setInterval(() => this.sweep(), sweepEveryMs).unref();
    return () => void line.giveUp(place);
  }

  /** The slot goes to the next one who waits. */
  leave(): void {
    const next = this.#next();
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.options.onWaited?.(next.item.importance, this.options.nowMs() - next.sinceMs);
    next.item.verdict(null);
  }

  /** Sends away who waited too long; runs by itself four times a second while somebody waits. */
  sweep(): void {
    const nowMs = this.options.nowMs();
    for (const importance of importances) {
      const line = this.#lines[importance];
      while (line.oldest && nowMs - line.oldest.sinceMs >= this.options.waitMaxMs) {
        const expired = line.takeOldest();
        if (expired) this.#reject(expired.item, 'expired');
      }
    }
    this.#judgeStaleness(nowMs);
    if (this.#waiting() > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  #hasRoom(importance: Importance): boolean {
    if (this.#waiting() < this.options.waitingMax) return true;
    if (this.waiting(importance) >= this.#owned(importance)) return false;
    const borrower = importances.findLast((other) => this.waiting(other) > this.#owned(other));
    const displaced = borrower && this.#lines[borrower].takeNewest();
    if (displaced) this.#reject(displaced.item, 'displaced');
    return displaced !== undefined;
  }

  /** Smooth weighted round robin over those who wait: nobody starves, and order within a class is kept. */
  #next(): Place<Waiter> | undefined {
    const present = importances.filter((importance) => this.waiting(importance) > 0);
    const [first] = present;
    if (first === undefined) return undefined;
    let chosen = first;
    for (const importance of present) {
      this.#credit[importance] += shares[importance];
      if (this.#credit[importance] > this.#credit[chosen]) chosen = importance;
    }
    this.#credit[chosen] -= present.reduce((sum, importance) => sum + shares[importance], 0);
    return this.#newestFirst ? this.#lines[chosen].takeNewest() : this.#lines[chosen].takeOldest();
  }

  get #newestFirst(): boolean {
    return this.#staleSinceMs !== undefined && this.options.nowMs() - this.#staleSinceMs >= staleForMs;
  }

  #judgeStaleness(nowMs: number): void {
    const isStale = importances.some((importance) => {
      const { oldest } = this.#lines[importance];
      return oldest !== undefined && nowMs - oldest.sinceMs > staleMs;
    });
    this.#staleSinceMs = isStale ? (this.#staleSinceMs ?? nowMs) : undefined;
  }

  #reject({ importance, verdict }: Waiter, rejection: Rejection): void {
    this.options.onRejected?.(importance, rejection);
    verdict(rejection);
  }

  #owned(importance: Importance): number {
    return Math.floor(this.options.waitingMax * shares[importance]);
  }

  #waiting(): number {
    return importances.reduce((sum, importance) => sum + this.waiting(importance), 0);
  }
}
