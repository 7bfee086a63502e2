import {
  collectDefaultMetrics,
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
} from 'prom-client';
import type { Log } from './log.js';
import { type Across, type MetricsSnapshot, textOf } from './metrics-snapshot.js';
import { SeriesBudget } from './series-budget.js';
import type { ProcessIdentity, TelemetryConfig } from './telemetry.config.js';

/** Values of every label of a metric; only from closed sets: route templates, roles, shards, never a tenant or a person. */
export type Labels<Name extends string> = Readonly<Record<Name, string>>;

export interface Counter<Name extends string> {
  inc(labels: Labels<Name>, by?: number): void;
}
export interface Gauge<Name extends string> {
  set(labels: Labels<Name>, value: number): void;
  inc(labels: Labels<Name>, by?: number): void;
  dec(labels: Labels<Name>, by?: number): void;
}
export interface Histogram<Name extends string> {
  observe(labels: Labels<Name>, value: number): void;
}
/** One reading of a gauge that is measured when Prometheus asks. */
export interface Reading<Name extends string> {
  readonly labels: Labels<Name>;
  readonly value: number;
}

export interface MetricsSetup {
  readonly config: Pick<TelemetryConfig, 'monitoring' | 'service'>;
  readonly identity: ProcessIdentity;
  /** Hears when a series is refused. */
  readonly log: Log;
  readonly maxSeries?: number;
}

type Shape = 'counter' | 'gauge' | 'histogram';
interface Registered {
  readonly shape: Shape;
  readonly instrument: unknown;
}

export const maxSeries = 5_000;

/** Twelve bounds in seconds, for durations of requests, queries and commands. */
export const durationBucketsS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/**
 * Name, help and label names as Prometheus shows them. Asking twice for one name gives the same instrument. Made without
 * a set-up it records nothing.
 */
export class Metrics {
  private readonly registry = new Registry();
  private readonly registered = new Map<string, Registered>();
  private readonly budget: SeriesBudget;
  private gather: (() => Promise<readonly MetricsSnapshot[]>) | undefined;

  constructor(setup?: MetricsSetup) {
    const { log, maxSeries: limit = maxSeries } = setup ?? {};
    this.enabled = setup?.config.monitoring ?? false;
    this.budget = new SeriesBudget(limit, (metric) =>
      log?.error('metrics.series_refused', { metric, limit, hint: 'a label has too many values' }),
    );
    if (!setup || !this.enabled) return;
    collectDefaultMetrics({ register: this.registry });
    this.gauge('app_info', 'Always 1; names this process.', ['service', 'app', 'version'], 'first').set(
      { service: setup.config.service, app: setup.identity.app, version: setup.identity.version },
      1,
    );
  }

  /** False when ENABLE_MONITORING is, or without a set-up: nothing is recorded, and there is nothing to serve. */
  readonly enabled: boolean;

  counter<const Name extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Name[] = [],
  ): Counter<Name> {
    return this.once(name, 'counter', () => {
      const metric = new PromCounter({ name, help, labelNames, registers: [this.registry] });
      const series = this.budget.series(name, labelNames, 1, (values) => metric.labels(...values));
      return { inc: (labels, by) => series(labels)?.inc(by) } satisfies Counter<Name>;
    });
  }

  /** `across`: what is shown where several processes are scraped as one. */
  gauge<const Name extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Name[] = [],
    across: Across = 'sum',
  ): Gauge<Name> {
    return this.once(name, 'gauge', () => {
      const metric = new PromGauge({ name, help, labelNames, aggregator: across, registers: [this.registry] });
      const series = this.budget.series(name, labelNames, 1, (values) => metric.labels(...values));
      return {
        set: (labels, value) => series(labels)?.set(value),
        inc: (labels, by) => series(labels)?.inc(by),
        dec: (labels, by) => series(labels)?.dec(by),
      } satisfies Gauge<Name>;
    });
  }

  histogram<const Name extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Name[] = [],
    buckets: readonly number[] = durationBucketsS,
  ): Histogram<Name> {
    return this.once(name, 'histogram', () => {
      const metric = new PromHistogram({ name, help, labelNames, buckets: [...buckets], registers: [this.registry] });
      const sizeOfOne = buckets.length + 3;
      const series = this.budget.series(name, labelNames, sizeOfOne, (values) => metric.labels(...values));
      return { observe: (labels, value) => series(labels)?.observe(value) } satisfies Histogram<Name>;
    });
  }

  /** A gauge read at the moment of the scrape; labels that `read` no longer names disappear. Registered once per name. */
  observedGauge<const Name extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Name[],
    read: () => readonly Reading<Name>[],
    across: Across = 'sum',
  ): void {
    this.once(name, 'gauge', () => {
      const fits = this.budget.batch(name);
      return new PromGauge({
        name,
        help,
        labelNames,
        aggregator: across,
        registers: [this.registry],
        collect() {
          this.reset();
          const readings = read();
          if (fits(readings.length)) for (const { labels, value } of readings) this.set(labels, value);
        },
      });
    });
  }

  /** The text of a scrape: this process's series, or of all processes that `gatherFrom` names. */
  async expose(): Promise<{ readonly contentType: string; readonly body: string }> {
    const body = this.gather === undefined ? await this.registry.metrics() : await textOf(await this.gather());
    return { contentType: this.registry.contentType, body };
  }

  snapshot(): Promise<MetricsSnapshot> {
    return this.registry.getMetricsAsJSON();
  }

  /** From now on a scrape shows the sum of what `gather` finds: for processes that answer on one port. */
  gatherFrom(gather: () => Promise<readonly MetricsSnapshot[]>): void {
    this.gather = gather;
  }

  private once<Instrument>(name: string, shape: Shape, make: () => Instrument): Instrument {
    const existing = this.registered.get(name);
    if (existing && existing.shape !== shape) throw new Error(`metric ${name} is already a ${existing.shape}`);
    if (existing) return existing.instrument as Instrument;
    const instrument = this.enabled ? make() : (silent as Instrument);
    this.registered.set(name, { shape, instrument });
    return instrument;
  }
}

const nothing = () => undefined;
const silent: unknown = { inc: nothing, dec: nothing, set: nothing, observe: nothing };
