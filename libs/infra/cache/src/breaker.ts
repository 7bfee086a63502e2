import type { Clock, Instant } from '#infra/kernel';

const failuresToOpen = 5;
const openForMs = 5_000;

/** Leaves Redis alone for 5 s after 5 failures in a row; then one more failure is enough for the next 5 s. */
export class Breaker {
  #failures = 0;
  #openUntil: Instant = 0;

  constructor(
    private readonly clock: Clock,
    private readonly onChange: (state: 'open' | 'closed', error?: unknown) => void,
  ) {}

  allows(): boolean {
    return this.clock.now() >= this.#openUntil;
  }

  succeeded(): void {
    if (this.#failures >= failuresToOpen) this.onChange('closed');
    this.#failures = 0;
  }

  failed(error: unknown): void {
    this.#failures += 1;
    if (this.#failures < failuresToOpen) return;
    if (this.#failures === failuresToOpen) this.onChange('open', error);
    this.#openUntil = this.clock.now() + openForMs;
  }
}
