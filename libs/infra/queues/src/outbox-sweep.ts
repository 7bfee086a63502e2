import type { Instant } from '#infra/kernel';
import type { SystemContext } from '#infra/sharding';
import { FactsRepository } from './facts.repository.js';
import { OutboxRepository } from './outbox.repository.js';

/** A finished job's row answers late deliveries; after this long none come any more. */
const doneKeptMs = 24 * 3_600_000;
/** How long listeners that were away may read on; later they read everything anew. */
const publishedKeptMs = 24 * 3_600_000;

/**
 * Removes rows of jobs that were done a day ago, at most `limit` of one database; how many. Dead jobs and jobs that are
 * not finished stay.
 */
export const removeFinishedJobs = (system: SystemContext, now: Instant, limit: number): Promise<number> =>
  new OutboxRepository().removeDone(system, now - doneKeptMs, limit);

/** Removes facts that were published a day ago, at most `limit` of one shard; how many. Unpublished ones stay. */
export const removePublishedFacts = (system: SystemContext, now: Instant, limit: number): Promise<number> =>
  new FactsRepository().removePublished(system, now - publishedKeptMs, limit);
