import type { Cache } from '#infra/cache';
import type { Outbox } from '#infra/queues';
import type { WriteContext } from '#infra/sharding';
import { forgetCatalogue } from './appointments.jobs.js';
import type { catalogueTags } from './public-catalogue.js';

interface Parts {
  readonly cache: Pick<Cache, 'forgetTag'>;
  readonly outbox: Pick<Outbox, 'append'>;
}

/** After the commit, and once more by a job of the same transaction, should this process not live to say so. */
export function forgetPart(
  tx: WriteContext,
  part: (typeof catalogueTags)[keyof typeof catalogueTags],
  { cache, outbox }: Parts,
): Promise<void> {
  tx.afterCommit(() => void cache.forgetTag(tx, part));
  return outbox.append(tx, forgetCatalogue.entry(tx.tenant.id, { part }));
}
