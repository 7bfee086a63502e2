export type BreakerState = 'closed' | 'open';

interface BreakerParts {
  /** Resolves when the server answers; it has a time limit of its own. */
  readonly probe: () => Promise<void>;
  /** `silent`: it was found by a probe, so what is under way there will not be answered either. */
  readonly onOpen: (error: unknown, silent: boolean) => void;
  readonly onClose: () => void;
  /** How many failures in a row open it; 10 unless said otherwise. */
  readonly failuresToOpen?: number;
}

export const usualFailuresToOpen = 10;
const probeEveryMs = 1_000;

/**
 * Whether a server is worth asking. Opens after 10 failures in a row, or when a probe finds a suspected server silent;
 * then nobody waits for it, and a probe each second finds out when it is back. Callers never probe.
 */
export class Breaker {
  #state: BreakerState = 'closed';
  #failures = 0;
  #probing = false;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly parts: BreakerParts) {}

  get state(): BreakerState {
    return this.#state;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(error: unknown): void {
    this.#failures += 1;
    if (this.#failures >= (this.parts.failuresToOpen ?? usualFailuresToOpen)) this.#open(error, false);
  }

  /** It owes an answer: a probe decides, one at a time. */
  suspect(): void {
    if (this.#state === 'closed') void this.#probe();
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  async #probe(): Promise<void> {
    if (this.#probing || this.#ended) return;
    this.#probing = true;
    const error = await this.parts.probe().then(
      () => undefined,
      (found: unknown) => found ?? new Error('no answer'),
    );
    this.#probing = false;
    if (error === undefined) this.#close();
    else this.#open(error, true);
  }

  #open(error: unknown, silent: boolean): void {
    if (this.#ended) return;
    if (this.#state === 'closed') {
      this.#state = 'open';
      this.parts.onOpen(error, silent);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#probe(), probeEveryMs);
    this.#timer.unref();
  }

  #close(): void {
    this.#failures = 0;
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.parts.onClose();
  }
}
