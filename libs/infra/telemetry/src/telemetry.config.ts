import { choice, flag, slice, text, type Values } from '#infra/config';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export const telemetryConfig = slice('Telemetry', {
  level: choice('LOG_LEVEL', logLevels, { description: 'least severe log line that is written', default: 'info' }),
  service: text('APP_NAME', {
    description: 'name of this installation in logs, metrics and database connections',
    default: 'praxis',
  }),
  monitoring: flag('ENABLE_MONITORING', {
    description: 'collect metrics and serve GET /metrics; false removes both',
    default: true,
  }),
});
export type TelemetryConfig = Values<(typeof telemetryConfig)['variables']>;

/** Which program of the product this process runs, for example `{ app: 'api', version: '0.1.0' }`. */
export interface ProcessIdentity {
  readonly app: string;
  readonly version: string;
}
