export { HttpMetrics, type HttpObservation } from './http-metrics.js';
export { createLog, type EventName, Log, type LogEntry } from './log.js';
export { runWithLogFields } from './log-context.js';
export type { LogFieldName, LogFields } from './log-fields.js';
export { type Counter, type Gauge, type Histogram, Metrics, type MetricsSetup, type Reading } from './metrics.js';
export { type Across, lastingOf, type MetricsSnapshot, mergeSnapshots } from './metrics-snapshot.js';
export { NestLog } from './nest-log.js';
export { type LogLevel, type ProcessIdentity, type TelemetryConfig, telemetryConfig } from './telemetry.config.js';
export { TelemetryModule } from './telemetry.module.js';
