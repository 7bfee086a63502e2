import type { Counter, Gauge, Histogram, Metrics } from '#infra/telemetry';

/** What work leaves in the metrics. Labels come from the catalogue and the configured databases. */
export class QueueMetrics {
  readonly #duration: Histogram<'job' | 'outcome'>;
  readonly #ended: Counter<'job' | 'outcome'>;
  readonly #sent: Counter<'database'>;
  readonly #lag: Gauge<'database'>;
  readonly #factsPublished: Counter<'database'>;
  readonly #factsWaiting: Gauge<'database'>;

  constructor(metrics: Metrics) {
    this.#duration = metrics.histogram('job_duration_seconds', 'Time of one attempt at a job.', ['job', 'outcome']);
    this.#ended = metrics.counter('jobs_given_up_total', 'Jobs that ended dead or were discarded.', ['job', 'outcome']);
    this.#sent = metrics.counter('outbox_sent_total', 'Jobs handed from the outbox to the queues.', ['database']);
    this.#lag = metrics.gauge('outbox_lag_seconds', 'How long the oldest job found was overdue.', ['database'], 'max');
    this.#factsPublished = metrics.counter('facts_published_total', 'Facts handed from the outbox to Redis.', [
      'database',
    ]);
    this.#factsWaiting = metrics.gauge(
      'facts_unpublished_age_seconds',
      'Age of the oldest numbered fact found unpublished.',
      ['database'],
      'max',
    );
  }

  ran(job: string, outcome: 'success' | 'failure' | 'postponed', durationMs: number): void {
    this.#duration.observe({ job, outcome }, durationMs / 1_000);
  }

  ended(job: string, outcome: 'dead' | 'discarded'): void {
    this.#ended.inc({ job, outcome });
  }

  relayed(database: string, count: number, lagMs: number): void {
    if (count > 0) this.#sent.inc({ database }, count);
    this.#lag.set({ database }, lagMs / 1_000);
  }

  factsPublished(database: string, count: number): void {
    if (count > 0) this.#factsPublished.inc({ database }, count);
  }

  factsWaiting(database: string, ageMs: number): void {
    this.#factsWaiting.set({ database }, ageMs / 1_000);
  }
}
