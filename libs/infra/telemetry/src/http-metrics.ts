import type { Counter, Gauge, Histogram, Metrics } from './metrics.js';

export interface HttpObservation {
  readonly method: string;
  /** The route's template, or `unmatched`; never a path with ids in it. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** What every HTTP request leaves in the metrics: `started()` when it arrives, `ended(…)` once when its answer is out. */

export class HttpMetrics {
  private readonly duration: Histogram<'app' | 'method' | 'route' | 'status_class'>;
  private readonly requests: Counter<'app' | 'method' | 'route' | 'status'>;
  private readonly inFlight: Gauge<'app'>;

  constructor(
    metrics: Metrics,
    private readonly app: string,
  ) {
    this.duration = metrics.histogram('http_request_duration_seconds', 'Time from request to answer.', [
      'app',
      'method',
      'route',
      'status_class',
    ]);
    this.requests = metrics.counter('http_requests_total', 'Requests answered.', ['app', 'method', 'route', 'status']);
    this.inFlight = metrics.gauge('http_requests_in_flight', 'Requests being served.', ['app']);
  }

  started(): void {
    this.inFlight.inc({ app: this.app });
  }

  ended({ method, route, status, durationMs }: HttpObservation): void {
    const of = { app: this.app, method: methods.has(method) ? method : 'OTHER', route };
    this.inFlight.dec({ app: this.app });
    this.requests.inc({ ...of, status: String(status) });
    this.duration.observe({ ...of, status_class: `${Math.floor(status / 100)}xx` }, durationMs / 1000);
  }
}
