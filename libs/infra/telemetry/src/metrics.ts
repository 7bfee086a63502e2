import { collectDefaultMetrics, Gauge as PromGauge, Registry } from 'prom-client';
import {
  type CounterSeries,
  Distribution,
  exposed,
  type GaugeSeries,
  type HistogramSeries,
  type Labels,
  Scalar,
} from './instruments.js';
import type { Log } from './log.js';
import { type Across, type MetricsSnapshot, textOf } from './metrics-snapshot.js';
import { SeriesBudget } from './series-budget.js';
import type { ProcessIdentity, TelemetryConfig } from './telemetry.config.js';

export interface Counter<Name extends string> {
  inc(labels: Labels<Name>, by?: number): void;
  of(labels: Labels<Name>): CounterSeries;
}
export interface Gauge<Name extends string> {
  set(labels: Labels<Name>, value: number): void;
  inc(labels: Labels<Name>, by?: number): void;
  dec(labels: Labels<Name>, by?: number): void;
  of(labels: Labels<Name>): GaugeSeries;
}
export interface Histogram<Name extends string> {
  observe(labels: Labels<Name>, value: number): void;
  of(labels: Labels<Name>): HistogramSeries;
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
      const of = this.scalars({ name, help, type: 'counter' }, labelNames);
      return { of, inc: (labels, by) => of(labels).inc(by) } satisfies Counter<Name>;
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
      const of = this.scalars({ name, help, type: 'gauge', across }, labelNames);
      return {
        of,
        set: (labels, value) => of(labels).set(value),
        inc: (labels, by) => of(labels).inc(by),
        dec: (labels, by) => of(labels).dec(by),
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
      const known: Made<Distribution>[] = [];
      const sizeOfOne = buckets.length + 3;
      const make = keeping(known, () => new Distribution(buckets));
      const of = this.budget.series<Distribution, HistogramSeries>(name, labelNames, {
        size: sizeOfOne,
        make,
        refused: nowhere,
      });
      this.registry.registerMetric(
        exposed({ name, help, type: 'histogram' }, () =>
          known.flatMap(({ labels, series }) => series.read(name, labels)),
        ),
      );
      return { of, observe: (labels, value) => of(labels).observe(value) } satisfies Histogram<Name>;
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

  private scalars(description: Parameters<typeof exposed>[0], labelNames: readonly string[]) {
    const known: Made<Scalar>[] = [];
    const make = keeping(known, () => new Scalar());
    const of = this.budget.series<Scalar, GaugeSeries>(description.name, labelNames, {
      size: 1,
      make,
      refused: nowhere,
    });
    if (labelNames.length === 0) of({});
    this.registry.registerMetric(
      exposed(description, () => known.map(({ labels, series }) => ({ labels, value: series.value }))),
    );
    return of;
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

interface Made<Series> {
  readonly labels: Labels<string>;
  readonly series: Series;
}

function keeping<Series>(known: Made<Series>[], make: () => Series) {
  return (labels: Labels<string>): Series => {
    const series = make();
    known.push({ labels, series });
    return series;
  };
}

const nothing = (_: unknown): void => undefined;
/** Takes what has no place. */
const nowhere: GaugeSeries & HistogramSeries = { inc: nothing, dec: nothing, set: nothing, observe: nothing };
const silent: unknown = { ...nowhere, of: () => nowhere };
