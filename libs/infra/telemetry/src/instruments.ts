import type { Metric } from 'prom-client';
import type { Across } from './metrics-snapshot.js';

/** Values of every label of a metric; only from closed sets: route templates, roles, shards, never a tenant or a person. */
export type Labels<Name extends string> = Readonly<Record<Name, string>>;

/** The series of one set of label values, found once by whoever counts often. */
export interface CounterSeries {
  inc(by?: number): void;
}
export interface GaugeSeries extends CounterSeries {
  set(value: number): void;
  dec(by?: number): void;
}
export interface HistogramSeries {
  observe(value: number): void;
}

/** One number of a counter or a gauge. */
export class Scalar implements GaugeSeries {
  value = 0;

  inc(by = 1): void {
    this.value += by;
  }

  dec(by = 1): void {
    this.value -= by;
  }

  set(value: number): void {
    this.value = value;
  }
}

/** How many values fell under each bound, their number and their sum. */
export class Distribution implements HistogramSeries {
  private readonly under: Float64Array;
  private sum = 0;

  constructor(private readonly bounds: readonly number[]) {
    this.under = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let n = 0;
    while (n < this.bounds.length && value > (this.bounds[n] ?? 0)) n += 1;
    this.under[n] = (this.under[n] ?? 0) + 1;
    this.sum += value;
  }

  /** As Prometheus has them: each bucket holds those before it. */
  read(name: string, labels: Labels<string>): readonly Value[] {
    let count = 0;
    const buckets = [...this.bounds, '+Inf'].map((le, n): Value => {
      count += this.under[n] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

interface Description {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly across?: Across;
}

/** What a registry of prom-client asks of a metric, over series that are counted without it. */
export function exposed({ across = 'sum', ...description }: Description, read: () => readonly Value[]): Metric<string> {
  const metric = {
    ...description,
    aggregator: across,
    get: async () => ({ ...description, aggregator: across, values: read() }),
    reset: () => undefined,
  };
  return metric as unknown as Metric<string>;
}
