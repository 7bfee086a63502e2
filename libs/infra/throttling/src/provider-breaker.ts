import {
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleAll,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
} from 'cockatiel';
import { type AppError, systemClock } from '#infra/kernel';
import type { Counter, Gauge, Log, Metrics } from '#infra/telemetry';
import { fail } from './provider.errors.js';

export const providerFailuresToOpen = 10;
export const providerOpenForMs = 60_000;
export const providerRunningMax = 20;
export const providerWaitingMax = 100;
/** When to come back where the line is full, or while another call finds out whether the provider is well. */
export const providerBusyRetryMs = 1_000;

type Refusal = 'open' | 'full';

/** What the provider said, be it no. */
type Answer<T> = { readonly value: T } | { readonly no: unknown };

export interface ProviderSetup {
  /** Names it in metrics and log: a word of ours, never an address. */
  readonly provider: string;
  /** A call that takes longer is given up, and is a failure. Not below the provider's own limits. */
  readonly timeoutMs: number;
  /** Whether this error means that the provider is unwell. Any other one is an answer that says no. */
  readonly isFailure: (error: unknown) => boolean;
  /** How long it is left alone; 60 s unless said otherwise. */
  readonly openForMs?: number;
  /** Calls at a time; 20 unless said otherwise. */
  readonly runningMax?: number;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * The way to one provider outside. After 10 failures in a row it is left alone for 60 s: calls are refused at once with
 * provider.away, and nothing is sent. Then one call is let through and decides, the others being refused meanwhile. At
 * most 20 calls run and 100 wait; what comes on top is refused. Each process has its own.
 */
export class ProviderBreaker {
  readonly #line;
  readonly #limit;
  readonly #circuit;
  readonly #isOpen: Gauge<'provider'>;
  readonly #refused: Counter<'provider' | 'reason'>;
  #openUntil = 0;

  constructor(private readonly setup: ProviderSetup) {
    const { provider, timeoutMs, openForMs = providerOpenForMs, runningMax = providerRunningMax, metrics } = setup;
    this.#line = bulkhead(runningMax, providerWaitingMax);
    this.#limit = timeout(timeoutMs, TimeoutStrategy.Aggressive);
    this.#circuit = circuitBreaker(handleAll, {
      breaker: new ConsecutiveBreaker(providerFailuresToOpen),
      halfOpenAfter: openForMs,
    });
    this.#isOpen = metrics.gauge(
      'provider_breaker_open',
      '1 while a provider outside is left alone after failures, else 0.',
      ['provider'],
      'max',
    );
    this.#refused = metrics.counter('provider_refused_total', 'Calls to a provider outside that were not made.', [
      'provider',
      'reason',
    ]);
    this.#isOpen.set({ provider }, 0);
    // The circuit reads the system's clock, so what is said about it does too.
    this.#circuit.onBreak((reason) => this.#opened(systemClock.now() + openForMs, reason));
    this.#circuit.onReset(() => this.#closed());
  }

  /** True from the tenth failure until a call has succeeded again. */
  get open(): boolean {
    return this.#circuit.state !== CircuitState.Closed;
  }

  /**
   * The call's value or its error; or provider.away, with when to come back, where it was not made, and provider.slow
   * where it took too long: then nobody knows whether it had its effect. A call whose caller has gone (`gone`) while it
   * waited is not made.
   */
  async run<T>(call: (signal: AbortSignal) => Promise<T>, gone?: AbortSignal): Promise<T> {
    this.#check();
    const answer = await this.#line
      .execute(() => {
        this.#check();
        return this.#circuit.execute(() => this.#limit.execute(({ signal }) => this.#answerOf(call(signal))));
      }, gone)
      .catch((error: unknown) => {
        throw this.#translate(error);
      });
    if ('no' in answer) throw answer.no;
    return answer.value;
  }

  #answerOf<T>(call: Promise<T>): Promise<Answer<T>> {
    return call.then(
      (value) => ({ value }),
      (error: unknown) => {
        if (this.setup.isFailure(error)) throw error;
        return { no: error };
      },
    );
  }

  #check(): void {
    const { state } = this.#circuit;
    const leftMs = this.#openUntil - systemClock.now();
    if (state === CircuitState.Open && leftMs > 0) throw this.#refusal('open', leftMs);
    if (state === CircuitState.HalfOpen) throw this.#refusal('open', providerBusyRetryMs);
  }

  #refusal(reason: Refusal, retryAfterMs: number): AppError {
    const { provider } = this.setup;
    this.#refused.inc({ provider, reason });
    return fail('provider.away', { internal: `${provider}: ${reason}`, retryAfterMs });
  }

  #translate(error: unknown): unknown {
    if (error instanceof BulkheadRejectedError) return this.#refusal('full', providerBusyRetryMs);
    if (error instanceof TaskCancelledError) return fail('provider.slow', { internal: this.setup.provider });
    return error;
  }

  #opened(until: number, reason: object): void {
    const { provider, log } = this.setup;
    const again = this.#openUntil > 0;
    this.#openUntil = until;
    if (again) return;
    this.#isOpen.set({ provider }, 1);
    log.error('provider.breaker_opened', { breaker: provider, ...('error' in reason ? { error: reason.error } : {}) });
  }

  #closed(): void {
    const { provider, log } = this.setup;
    this.#openUntil = 0;
    this.#isOpen.set({ provider }, 0);
    log.info('provider.breaker_closed', { breaker: provider });
  }
}
