import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Log } from '#infra/telemetry';

/** Requests that are being served when the door closes have this long to end; then their connections are cut. */
export const inFlightMaxMs = 25_000;
/** Pools and queues have this long to end. With the wait of 5 s before, everything is over in less than 35 s. */
export const endingMaxMs = 4_000;

export interface Drain {
  readonly log: Log;
  /** Makes readiness fail and answers say `Connection: close`. */
  readonly announce: () => void;
  /** How long load balancers have to notice, before nothing is accepted any more. */
  readonly waitMs: number;
  readonly inFlightMaxMs?: number;
  readonly endingMaxMs?: number;
}

/**
 * Readiness first, then the door, then what is in flight, then pools; true when everything ended by itself in time.
 * Requests are served until the door closes, and the ones inside are served to their end.
 */
export async function drain(app: NestFastifyApplication, plan: Drain): Promise<boolean> {
  const { log, announce, waitMs } = plan;
  log.info('drain.announced', { waitMs });
  announce();
  await sleep(waitMs);
  const server: Server = app.getHttpServer();
  const inTime = await within(plan.inFlightMaxMs ?? inFlightMaxMs, closed(server));
  if (!inTime) {
    log.warn('drain.cut', { hint: 'requests were still running and lost their connection' });
    server.closeAllConnections();
  }
  const ended = await within(plan.endingMaxMs ?? endingMaxMs, app.close());
  if (!ended) log.warn('drain.unfinished', { hint: 'pools or queues did not end in time' });
  log.info('drain.done', { outcome: inTime && ended ? 'success' : 'failure' });
  return inTime && ended;
}

const closed = (server: Server): Promise<void> =>
  new Promise((resolve, reject) => {
    if (!server.listening) return resolve();
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeIdleConnections();
  });

/** Whether the work ended within that time; what it throws is thrown. */
async function within(limitMs: number, work: Promise<void>): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(limitMs, false, { signal: timer.signal }).catch(() => false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    timer.abort();
  }
}
