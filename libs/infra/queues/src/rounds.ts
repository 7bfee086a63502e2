/** Full batches in a row before the next poll or nudge is waited for. */
const maxBatchesInARow = 1_000;

interface RoundsParts {
  /** One batch; true where there may be more. */
  readonly pass: () => Promise<boolean>;
  readonly pollMs: number;
  readonly onError: (error: unknown) => void;
}

/** Passes until nothing is left, then again when woken, and at every poll. */
export class Rounds {
  #stopping = false;
  #loop: Promise<void> | undefined;
  #awake = Promise.withResolvers<void>();

  constructor(private readonly parts: RoundsParts) {}

  start(): void {
    this.#loop ??= this.#run();
  }

  /** During a pass it asks for one more. */
  readonly wake = (): void => this.#awake.resolve();

  /** Resolves when the pass under way is over. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#awake.resolve();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#awake = Promise.withResolvers();
      try {
        for (let n = 0; n < maxBatchesInARow && !this.#stopping; n += 1) if (!(await this.parts.pass())) break;
      } catch (error) {
        this.parts.onError(error);
      }
      const poll = setTimeout(() => this.#awake.resolve(), this.parts.pollMs);
      await this.#awake.promise;
      clearTimeout(poll);
    }
  }
}
