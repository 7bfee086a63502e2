import type { Instant } from '#infra/kernel';
import type { SystemContext } from '#infra/sharding';
import { OutboxRepository } from './outbox.repository.js';

/** A finished job's row answers late deliveries; after this long none come any more. */
const doneKeptMs = 24 * 3_600_000;

/**
 * Removes rows of jobs that were done a day ago, at most `limit` of one database; how many. Facts, dead jobs and jobs
 * that are not finished stay.
 */
export const removeFinishedJobs = (system: SystemContext, now: Instant, limit: number): Promise<number> =>
  new OutboxRepository().removeDone(system, now - doneKeptMs, limit);
