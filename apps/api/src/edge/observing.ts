import type { LogFields, RouteMetrics } from '#infra/telemetry';

/** What a request of one route leaves behind: found when the route is registered, so that a request looks nothing up. */
export interface Observing {
  readonly route: string;
  readonly metrics: RouteMetrics;
  readonly isRoutine: (status: number) => boolean;
  readonly line: (fields: DoneFields) => void;
}

export const doneFields = ['requestId', 'status', 'durationMs', 'code', 'tenantId', 'userId'] as const;
type DoneFields = Pick<LogFields, (typeof doneFields)[number]>;
