import { type Instant, monotonicMs } from '#infra/kernel';
import { Latency, SlowStart } from './balance.js';
import type { NodePool } from './pool.js';

/** One that could not be asked stays away for 10 s at least, twice as long when it is lost again within a minute. */
const awayLeastMs = 10_000;
const awayMostMs = 60_000;
const relapseMs = 60_000;
const goodPollsToEnter = 2;

/** A replica in or out of rotation. It comes in when two polls in a row find it close behind its primary. */
export class Replica {
  inFlight = 0;
  /** At the last poll that it answered; undefined before, and Infinity where nobody knows how far behind it is. */
  lagMs: number | undefined;
  readonly #latency = new Latency();
  readonly #start = new SlowStart();
  #inRotation = false;
  #goodPolls = 0;
  #isLost = false;
  #awayUntil: Instant = Number.NEGATIVE_INFINITY;
  #awayMs = 0;

  constructor(readonly pool: NodePool) {}

  get inRotation(): boolean {
    return this.#inRotation;
  }

  /** What a poll found. */
  judge(good: boolean, now: Instant): void {
    this.#goodPolls = good ? this.#goodPolls + 1 : 0;
    this.#inRotation = this.#goodPolls >= goodPollsToEnter && now >= this.#awayUntil;
    if (!this.#inRotation || !this.#isLost) return;
    this.#isLost = false;
    this.#start.begin(now);
  }

  /** A read found it broken: out at once, and polls tell the rest. */
  suspect(): void {
    this.#goodPolls = 0;
    this.#inRotation = false;
  }

  /** A poll got no answer: out, back only after a while, and slowly. */
  lost(now: Instant): void {
    this.suspect();
    if (this.#isLost) return;
    this.#isLost = true;
    const relapsed = now - this.#awayUntil < relapseMs;
    this.#awayMs = relapsed ? Math.min(awayMostMs, 2 * this.#awayMs) : awayLeastMs;
    this.#awayUntil = now + this.#awayMs;
  }

  takes(now: Instant): boolean {
    return this.#inRotation && this.#start.admits(now);
  }

  get latencyMs(): number {
    return this.#latency.at(monotonicMs());
  }

  answered(sentAt: number): void {
    const now = monotonicMs();
    this.#latency.heard(now - sentAt, now);
  }
}
