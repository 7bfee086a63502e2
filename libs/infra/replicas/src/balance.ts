/** How one of several replicas is chosen. */
export const balancings = ['power-of-two', 'round-robin', 'least-in-flight'] as const;
export type Balancing = (typeof balancings)[number];

export interface Candidate {
  readonly inFlight: number;
  /** What a read has taken there lately; 0 where nobody knows. */
  readonly latencyMs: number;
}

/** Below this a latency says nothing about a server. */
const leastLatencyMs = 0.1;

/** Work that waits there, in milliseconds; a newcomer costs what one read would. */
const costOf = ({ inFlight, latencyMs }: Candidate): number => (inFlight + 1) * Math.max(leastLatencyMs, latencyMs);

/**
 * The better of two that chance picks (in flight × latency), each in turn, or the least busy. Undefined for none.
 * `turn` counts the choices, `random` gives 0 ≤ x < 1.
 */
export function choose<T extends Candidate>(
  balancing: Balancing,
  candidates: readonly T[],
  turn: number,
  random: () => number,
): T | undefined {
  if (candidates.length < 2) return candidates[0];
  switch (balancing) {
    case 'round-robin':
      return candidates[turn % candidates.length];
    case 'least-in-flight':
      return candidates.reduce((best, next) => (next.inFlight < best.inFlight ? next : best));
    case 'power-of-two':
      return betterOfTwo(candidates, random);
  }
}

function betterOfTwo<T extends Candidate>(candidates: readonly T[], random: () => number): T | undefined {
  const first = Math.floor(random() * candidates.length);
  const step = 1 + Math.floor(random() * (candidates.length - 1));
  const one = candidates[first];
  const other = candidates[(first + step) % candidates.length];
  return one !== undefined && other !== undefined && costOf(other) < costOf(one) ? other : one;
}

const weightOfNewest = 0.2;
/** Of a latency a third is left (1/e) after this time without a read, so that a slow server is tried again. */
const forgottenInMs = 10_000;

/** What reads take: each new one counts a fifth, and silence makes it forget. */
export class Latency {
  #ms = 0;
  #at = 0;

  heard(tookMs: number, now: number): void {
    const before = this.at(now);
    this.#ms = before === 0 ? tookMs : before + weightOfNewest * (tookMs - before);
    this.#at = now;
  }

  at(now: number): number {
    return this.#ms * Math.exp((this.#at - now) / forgottenInMs);
  }
}

const firstShare = 0.1;
const rampMs = 10_000;
/** Ten tenths are a whole one. */
const rounding = 1e-9;

/**
 * How much of its reads a server gets that has come back (one that never went away gets all of them): a tenth at first, all of them after 10 seconds. Counted, not
 * drawn: of ten reads at a tenth exactly one is let through.
 */
export class SlowStart {
  #since: number | undefined;
  #credit = 0;

  begin(now: number): void {
    this.#since = now;
    this.#credit = 0;
  }

  admits(now: number): boolean {
    const share = this.share(now);
    if (share >= 1) return true;
    this.#credit += share;
    if (this.#credit < 1 - rounding) return false;
    this.#credit -= 1;
    return true;
  }

  share(now: number): number {
    if (this.#since === undefined) return 1;
    return Math.min(1, firstShare + (1 - firstShare) * ((now - this.#since) / rampMs));
  }
}
