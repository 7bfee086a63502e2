import { monotonicMs } from '#infra/kernel';
import type { Metrics, Reading } from '#infra/telemetry';
import { Admission, type AdmissionLimits, importances } from './admission.js';

export type Door = 'requests' | 'uploads' | 'batches';

/** A door for each kind of caller, as Prometheus sees them. */
export function measuredAdmissions(
  limits: Readonly<Record<Door, AdmissionLimits>>,
  metrics: Metrics,
): Readonly<Record<Door, Admission>> {
  const rejected = metrics.counter('admission_rejected_total', 'Requests sent away before they began.', [
    'door',
    'importance',
    'reason',
  ]);
  const waited = metrics.histogram('admission_wait_seconds', 'How long requests waited that could not begin at once.', [
    'door',
    'importance',
  ]);
  const measured = (door: Door) =>
    new Admission({
      ...limits[door],
      nowMs: monotonicMs,
      onRejected: (importance, reason) => rejected.inc({ door, importance, reason }),
      onWaited: (importance, waitedMs) => waited.observe({ door, importance }, waitedMs / 1_000),
    });
  const doors = { requests: measured('requests'), uploads: measured('uploads'), batches: measured('batches') };
  const named = Object.entries(doors) as [Door, Admission][];
  metrics.observedGauge('admission_running', 'Requests let in and not yet answered.', ['door'], () =>
    named.map(([door, { running }]) => ({ labels: { door }, value: running })),
  );
  metrics.observedGauge('admission_queue_max', 'Requests that may wait to begin.', ['door'], () =>
    named.map(([door]) => ({ labels: { door }, value: limits[door].waitingMax })),
  );
  metrics.observedGauge('admission_queue_length', 'Requests that wait to begin.', ['door', 'importance'], () =>
    named.flatMap(([door, admission]) =>
      importances.map(
        (importance): Reading<'door' | 'importance'> => ({
          labels: { door, importance },
          value: admission.waiting(importance),
        }),
      ),
    ),
  );
  return doors;
}
