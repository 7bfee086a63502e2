import type { MetricsSnapshot } from '#infra/telemetry';
import type { Load } from './load.js';
import type { RetireReason } from './recycling.js';

/**
 * What workers and primary tell each other. After a deployment and a rolling restart the two are of different versions:
 * words may be added, never change their meaning, and unknown ones are passed over.
 */
export type FromWorker =
  | { readonly praxis: 'ready'; readonly port: number }
  | { readonly praxis: 'beat'; readonly load: Load }
  | { readonly praxis: 'retire'; readonly reason: RetireReason }
  /** Asks for the metrics of all workers. */
  | { readonly praxis: 'gather'; readonly id: number }
  | { readonly praxis: 'snapshot'; readonly id: number; readonly snapshot: MetricsSnapshot }
  /** The last words of a worker that has drained. */
  | { readonly praxis: 'farewell'; readonly snapshot: MetricsSnapshot };

export type FromPrimary =
  | { readonly praxis: 'drain'; readonly othersServe: boolean }
  | { readonly praxis: 'take_snapshot'; readonly id: number }
  | { readonly praxis: 'gathered'; readonly id: number; readonly snapshots: readonly MetricsSnapshot[] };

/** Node's own messages, and those of libraries, travel on the same channel. */
export const isOurs = (message: unknown): message is { readonly praxis: string } =>
  typeof message === 'object' && message !== null && typeof (message as { praxis?: unknown }).praxis === 'string';
