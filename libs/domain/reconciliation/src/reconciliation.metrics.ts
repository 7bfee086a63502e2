import type { Counter, Histogram, Metrics } from '#infra/telemetry';

/** A run of two files of 20,000 rows takes about a second, one of a million minutes. */
const runBucketsS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600] as const;
/** Every day of the first five weeks, so that a quantile is off by less than a day. */
const daysBuckets = [...Array.from({ length: 36 }, (_, day) => day), 45, 60, 90] as const;

/** What reconciliation leaves in the metrics. */
export class ReconciliationMetrics {
  readonly #rows: Counter<'outcome'>;
  readonly #runs: Histogram<'outcome'>;
  readonly #processing: Histogram<never>;

  constructor(metrics: Metrics) {
    this.#rows = metrics.counter('reconciliation_rows_total', 'Rows of files that were taken in.', ['outcome']);
    this.#runs = metrics.histogram('reconciliation_run_seconds', 'Time of one run.', ['outcome'], runBucketsS);
    this.#processing = metrics.histogram(
      'payment_processing_days',
      'Days from the one side’s record of a payment to the other side’s, of payments that were matched.',
      [],
      daysBuckets,
    );
  }

  ingested(rows: Readonly<Record<'accepted' | 'duplicate' | 'rejected', number>>): void {
    for (const outcome of ['accepted', 'duplicate', 'rejected'] as const) this.#rows.inc({ outcome }, rows[outcome]);
  }

  ran(outcome: 'completed' | 'failed', durationMs: number): void {
    this.#runs.observe({ outcome }, durationMs / 1_000);
  }

  matched(days: number): void {
    this.#processing.observe({}, days);
  }
}
