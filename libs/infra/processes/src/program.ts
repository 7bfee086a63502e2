import type { Readiness } from '#infra/health';
import type { Log, Metrics, ProcessIdentity, TelemetryConfig } from '#infra/telemetry';
import type { Departure } from './drain.js';
import type { ProcessesConfig } from './processes.config.js';

export interface ProgramSettings {
  readonly telemetry: TelemetryConfig;
  readonly processes: ProcessesConfig;
}

/** One app of the product, as its `main.ts` describes it. */
export interface Program<Settings extends ProgramSettings> {
  readonly identity: ProcessIdentity;
  /** A load balancer sends it requests: it waits for it before it closes its door, and answers the agent-check. */
  readonly balanced: boolean;
  /** Throws a ConfigError that lists every mistake. */
  readonly readSettings: () => Settings;
  /** Resolves when the app takes requests or work. Not called in a process that only keeps workers. */
  readonly start: (settings: Settings, host: Host) => Promise<Service>;
}

/** What an app finds around it. */
export interface Host {
  readonly log: Log;
  /** Called for each request, so that WORKER_MAX_REQUESTS can be kept. */
  readonly countRequest: () => void;
}

/** An app that runs. */
export interface Service {
  readonly port: number;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  /** Ends what it has begun, then everything; false when something had to be cut. */
  drain(departure: Departure): Promise<boolean>;
}
