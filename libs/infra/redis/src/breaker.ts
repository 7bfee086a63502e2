import type { Clock, Instant } from '#infra/kernel';

const failuresToOpen = 5;

interface BreakerParts {
  readonly openForMs: number;
  readonly clock: Clock;
  readonly onChange: (state: 'open' | 'closed', error?: unknown) => void;
}

/**
 * For those who can do without Redis: leaves it alone for a while after 5 failures in a row; then one more failure is
 * enough for the next while. Commands of their roles fail within milliseconds, so all may try when it is over.
 */
export class RedisBreaker {
  #failures = 0;
  #openUntil: Instant = 0;

  constructor(private readonly parts: BreakerParts) {}

  allows(): boolean {
    return this.parts.clock.now() >= this.#openUntil;
  }

  succeeded(): void {
    if (this.#failures >= failuresToOpen) this.parts.onChange('closed');
    this.#failures = 0;
  }

  failed(error: unknown): void {
    const { clock, openForMs, onChange } = this.parts;
    this.#failures += 1;
    if (this.#failures < failuresToOpen) return;
    if (this.#failures === failuresToOpen) onChange('open', error);
    this.#openUntil = clock.now() + openForMs;
  }
}
