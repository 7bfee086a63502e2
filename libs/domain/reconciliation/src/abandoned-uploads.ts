import type { Instant } from '#infra/kernel';
import type { SystemContext } from '#infra/sharding';
import { UploadPartsRepository } from './upload-parts.repository.js';

/** An upload lasts a minute at most; one that is this old was broken off. */
const abandonedAfterMs = 24 * 3_600_000;

/** Removes uploads that were broken off a day ago, at most `limit` of one database; how many. */
export const removeAbandonedUploads = (system: SystemContext, now: Instant, limit: number): Promise<number> =>
  new UploadPartsRepository().removeAbandoned(system, now - abandonedAfterMs, limit);
