/** Why somebody was not let in. */
export type Refusal = 'full' | 'late';

interface Waiting {
  readonly enter: () => void;
  readonly refuse: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

export interface TurnstileOptions {
  /** Most who are inside at a time. */
  readonly max: number;
  /** Most who wait; the next one is refused at once. */
  readonly queueLimit: number;
  /** Longest wait. */
  readonly timeoutMs: number;
  readonly refusal: (why: Refusal) => unknown;
}

/** Lets so many in at a time, and the others in the order in which they came. */
export class Turnstile {
  #inside = 0;
  readonly #queue = new Set<Waiting>();

  constructor(private readonly options: TurnstileOptions) {}

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Undefined when there is room now; else a promise that is rejected with the refusal. Who came in must `leave`. */
  enter(): Promise<void> | undefined {
    const { max, queueLimit, refusal } = this.options;
    if (this.#inside < max) {
      this.#inside += 1;
      return undefined;
    }
    return this.#queue.size < queueLimit ? this.#wait() : Promise.reject(refusal('full'));
  }

  leave(): void {
    const [next] = this.#queue;
    if (next === undefined) {
      this.#inside -= 1;
      return;
    }
    this.#take(next);
    next.enter();
  }

  /** Refuses everybody who waits. */
  disperse(error: () => unknown): void {
    for (const waiting of [...this.#queue]) {
      this.#take(waiting);
      waiting.refuse(error());
    }
  }

  #wait(): Promise<void> {
    return new Promise((enter, refuse) => {
      const timer = setTimeout(() => {
        this.#take(waiting);
        refuse(this.options.refusal('late'));
      }, this.options.timeoutMs);
      const waiting: Waiting = { enter, refuse, timer };
      this.#queue.add(waiting);
    });
  }

  #take(waiting: Waiting): void {
    clearTimeout(waiting.timer);
    this.#queue.delete(waiting);
  }
}
