import { AggregatorRegistry, type Registry } from 'prom-client';

/** Every series of one process at one moment, in a form that travels between processes. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** What one number says for several processes that each have one. */
export type Across = 'sum' | 'max' | 'min' | 'average' | 'first';

/** Counters and histograms add up, gauges as each was told to. */
export const mergeSnapshots = (snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> =>
  merged(snapshots).getMetricsAsJSON();

export const textOf = (snapshots: readonly MetricsSnapshot[]): Promise<string> => merged(snapshots).metrics();

const merged = (snapshots: readonly MetricsSnapshot[]): Registry => AggregatorRegistry.aggregate([...snapshots]);

/**
 * What still counts of a process that has ended: a sum over processes that forgot it would fall, and Prometheus takes a
 * counter that falls for one that began anew.
 */
export const lastingOf = (snapshot: MetricsSnapshot): MetricsSnapshot =>
  snapshot.filter(({ type }) => lastingTypes.has(String(type)));

const lastingTypes: ReadonlySet<string> = new Set(['counter', 'histogram', 'summary']);
