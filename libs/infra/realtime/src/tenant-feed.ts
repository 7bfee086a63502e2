import type { PublishedFact } from '#infra/queues';
import type { Stretch } from './fact-log.js';

export type OnFact = (fact: PublishedFact) => void;

interface TenantFeedParts {
  /** What follows a place, as the log has it. */
  readonly read: (seq: number) => Promise<Stretch>;
  readonly newest: () => Promise<number>;
  readonly tell: (fact: PublishedFact, source: 'live' | 'log', followers: Iterable<OnFact>) => void;
  /** Facts that nobody can be told any more lie between the two places. */
  readonly onGone: (from: number, to: number) => void;
}

/** Stretches that one look reads at most; the next look goes on. */
const maxStretches = 1_000;

/** One tenant's place in its order of facts, and who is told from there on. Messages may be lost, double or late. */
export class TenantFeed {
  readonly followers = new Set<OnFact>();
  #position: number | null = null;
  #asked = false;
  #looking = false;

  constructor(private readonly parts: TenantFeedParts) {}

  /** Followers are told what comes after this. */
  get position(): number {
    return this.#position ?? 0;
  }

  async open(): Promise<void> {
    this.#position = await this.parts.newest();
  }

  /** What the channel said; true where it has to be looked up in the log. */
  heard(fact: PublishedFact | null): boolean {
    const position = this.#position;
    if (position === null || (fact && fact.seq <= position)) return false;
    if (fact?.seq !== position + 1 || this.#looking) return true;
    this.#tell(fact, 'live');
    return false;
  }

  /**
   * Reads on to the newest fact; how many there were. A look that is asked for during another makes that one look
   * again. Throws where the log cannot be read; nothing is lost by that.
   */
  async look(): Promise<number> {
    this.#asked = true;
    if (this.#looking || this.#position === null) return 0;
    this.#looking = true;
    let found = 0;
    try {
      while (this.#asked) {
        this.#asked = false;
        found += await this.#readOn();
      }
    } finally {
      this.#looking = false;
    }
    return found;
  }

  async #readOn(): Promise<number> {
    let found = 0;
    for (let n = 0; n < maxStretches; n += 1) {
      const { facts, more, gone } = await this.parts.read(this.position);
      if (gone) await this.#skip(facts[0]);
      for (const fact of facts) this.#tell(fact, 'log');
      found += facts.length;
      if (!more) break;
    }
    return found;
  }

  async #skip(next: PublishedFact | undefined): Promise<void> {
    const to = next ? next.seq - 1 : await this.parts.newest();
    this.parts.onGone(this.position, to);
    this.#position = to;
  }

  #tell(fact: PublishedFact, source: 'live' | 'log'): void {
    this.#position = fact.seq;
    this.parts.tell(fact, source, this.followers);
  }
}
