import type { Metrics } from '#infra/telemetry';
import type { Memory } from './memory.js';
import { strategyNames } from './strategies.js';

/** What memory holds, by strategy. */
export function measure(metrics: Metrics, memory: Memory): void {
  const reading = (of: 'entries' | 'bytes') => () =>
    strategyNames.map((strategy) => ({ labels: { strategy }, value: memory.occupancy(strategy)[of] }));
  const gauge = (of: 'entries' | 'bytes', help: string) =>
    metrics.observedGauge(`cache_memory_${of}`, help, ['strategy'], reading(of));
  gauge('entries', 'Entries in this process’s memory.');
  gauge('bytes', 'Bytes of entries in this process’s memory.');
}
