import type { Instant } from '#infra/kernel';

/** Lets `perSecond` through on average, and `burst` at once after a rest. */
export class TokenBucket {
  #left: number;
  #at: Instant;

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    now: Instant,
  ) {
    this.#left = burst;
    this.#at = now;
  }

  take(now: Instant): boolean {
    const earned = (Math.max(0, now - this.#at) / 1_000) * this.perSecond;
    this.#left = Math.min(this.burst, this.#left + earned);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** Until the next one gets through. */
  get waitMs(): number {
    return Math.max(0, Math.ceil(((1 - this.#left) / this.perSecond) * 1_000));
  }
}
