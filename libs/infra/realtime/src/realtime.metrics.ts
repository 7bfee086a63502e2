import type { Counter, Gauge, Metrics } from '#infra/telemetry';

/** What following facts leaves in the metrics. */
export class RealtimeMetrics {
  readonly #followed: Gauge<never>;
  readonly #told: Counter<'source'>;
  readonly #stored: Counter<never>;

  constructor(metrics: Metrics) {
    this.#followed = metrics.gauge('facts_followed_tenants', 'Tenants whose facts this process follows.');
    this.#told = metrics.counter('facts_told_total', 'Facts told to followers: heard live, or read after a gap.', [
      'source',
    ]);
    this.#stored = metrics.counter('facts_read_from_database_total', 'Facts read that Redis did not hold.');
  }

  followed(change: 1 | -1): void {
    this.#followed.inc({}, change);
  }

  told(source: 'live' | 'log'): void {
    this.#told.inc({ source });
  }

  readFromDatabase(count: number): void {
    if (count > 0) this.#stored.inc({}, count);
  }
}
