import type { CounterSeries, GaugeSeries, HistogramSeries } from './instruments.js';
import type { Counter, Histogram, Metrics } from './metrics.js';

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** What every HTTP request leaves in the metrics: `started()` when it arrives, `ended(…)` of its route once its answer is out. */
export class HttpMetrics {
  private readonly duration: Histogram<'app' | 'method' | 'route' | 'status_class'>;
  private readonly requests: Counter<'app' | 'method' | 'route' | 'status'>;
  private readonly inFlight: GaugeSeries;

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
    this.inFlight = metrics.gauge('http_requests_in_flight', 'Requests being served.', ['app']).of({ app });
  }

  started(): void {
    this.inFlight.inc();
  }

  /** Of one route by its template, or `unmatched`; never a path with ids in it. Its series are found once, and a request only counts. */
  route(method: string, route: string): RouteMetrics {
    const of = { app: this.app, method: methods.has(method) ? method : 'OTHER', route };
    const byStatus = new Map<number, { readonly requests: CounterSeries; readonly duration: HistogramSeries }>();
    return {
      ended: (status, durationMs) => {
        let series = byStatus.get(status);
        if (series === undefined) {
          const status_class = `${Math.floor(status / 100)}xx`;
          series = {
            requests: this.requests.of({ ...of, status: String(status) }),
            duration: this.duration.of({ ...of, status_class }),
          };
          byStatus.set(status, series);
        }
        this.inFlight.dec();
        series.requests.inc();
        series.duration.observe(durationMs / 1_000);
      },
    };
  }
}

export interface RouteMetrics {
  ended(status: number, durationMs: number): void;
}
