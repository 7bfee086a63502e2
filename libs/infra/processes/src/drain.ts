import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '#infra/telemetry';

/** What is being served when the door closes has this long to end; then it is cut. */
export const inFlightMaxMs = 25_000;
/** Pools and queues have this long to end. */
export const endingMaxMs = 4_000;
/** A drain is over by then, whatever was waited for; what comes after it has until 35 s. */
export const drainMaxMs = 34_000;
/** Clients on open connections of a process that others replace hear `Connection: close` for at least this long. */
export const lingerMinMs = 1_000;

/** The steps that an app knows; the order and the times are the same for all. */
export interface DrainSteps {
  /** Readiness fails, and answers say `Connection: close`. */
  announce(): void;
  /** Takes no new connections; those that are open are served on. Called early where other processes take them. */
  leave?(): void;
  /** Takes nothing new, and resolves when everything inside has ended. */
  finish(): Promise<void>;
  /** Ends at once what is still inside. */
  cut(): void;
  /** Pools and connections end. */
  end(): Promise<void>;
}

export interface Departure {
  /** How long load balancers have to notice, before nothing is accepted any more. */
  readonly waitMs: number;
  /** Other processes answer on this port: new connections go to them from the first moment. */
  readonly othersServe: boolean;
}

export interface DrainPlan extends Departure {
  readonly log: Log;
  readonly inFlightMaxMs?: number;
  readonly endingMaxMs?: number;
}

/** 25 s, or less where the wait before took so long that the drain would not be over in time. */
export const inFlightMs = (waitedMs: number): number => Math.min(inFlightMaxMs, drainMaxMs - endingMaxMs - waitedMs);

/**
 * Readiness first, then the door, then what is in flight, then pools; true when everything ended by itself in time.
 * Until the door closes everybody is served, and who is inside then is served to the end.
 */
export async function drain(steps: DrainSteps, plan: DrainPlan): Promise<boolean> {
  const { log, othersServe } = plan;
  const waitMs = othersServe ? Math.max(lingerMinMs, plan.waitMs) : plan.waitMs;
  log.info('drain.announced', { waitMs });
  steps.announce();
  if (othersServe) steps.leave?.();
  await sleep(waitMs);
  const inTime = await within(plan.inFlightMaxMs ?? inFlightMs(waitMs), steps.finish());
  if (!inTime) {
    log.warn('drain.cut', { hint: 'what was still running has been cut' });
    steps.cut();
  }
  const ended = await within(plan.endingMaxMs ?? endingMaxMs, steps.end());
  if (!ended) log.warn('drain.unfinished', { hint: 'pools or queues did not end in time' });
  log.info('drain.done', { outcome: inTime && ended ? 'success' : 'failure' });
  return inTime && ended;
}

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
