import type { TenantContext } from '#infra/kernel';
import type { PublishedFact } from '#infra/queues';
import type { FactLog } from '#infra/realtime';

/** What a connection that was away gets. */
export interface Replay {
  /** In order; empty where they cannot be given in full. */
  readonly facts: readonly PublishedFact[];
  /** Everything up to here has been seen, or is to be read anew. */
  readonly seen: number;
  readonly isComplete: boolean;
}

/**
 * What came after `lastSeq`. `position` is what this process has been told of already, so an answer that ends before it
 * has a gap. A place that the tenant has never reached comes from another life of its data: everything is read anew.
 */
export async function replayAfter(
  log: FactLog,
  ctx: TenantContext,
  lastSeq: number,
  position: number,
): Promise<Replay> {
  if (lastSeq > position) {
    const newest = await log.newest(ctx);
    return lastSeq > newest ? anew(newest) : { facts: [], seen: lastSeq, isComplete: true };
  }
  const { facts, complete } = await log.after(ctx, lastSeq);
  const seen = facts.at(-1)?.seq ?? lastSeq;
  return complete && seen >= position ? { facts, seen, isComplete: true } : anew(Math.max(position, seen));
}

const anew = (seen: number): Replay => ({ facts: [], seen, isComplete: false });
