import type { Instant } from '#infra/kernel';
import type { PublishedFact } from '#infra/queues';
import type { Reception } from '../sockets/listener.js';
import type { Outflow } from '../sockets/outflow.js';

/** With more than this waiting to be read, facts are no longer queued. */
export const slowAfter: Outflow = { packets: 256, bytes: 1_048_576 };
/** With no more than this left, a slow connection goes on. */
const drainedAt: Outflow = { packets: 0, bytes: 65_536 };
/** With more than this, or without any progress for this long, a slow connection is cut. */
const cutAfterBytes = 4 * 1_048_576;
export const stuckAfterMs = 10_000;
/** Newest facts kept for a slow connection, one per topic. */
export const topicsMax = 500;

type Lagging = Extract<Reception, { readonly kind: 'lagging' }>;

export const isSlow = ({ packets, bytes }: Outflow): boolean => packets > slowAfter.packets || bytes > slowAfter.bytes;

export const hasDrained = ({ packets, bytes }: Outflow): boolean =>
  packets <= drainedAt.packets && bytes <= drainedAt.bytes;

export const lagFrom = (outflow: Outflow, now: Instant): Lagging => ({
  kind: 'lagging',
  newest: new Map(),
  outflow,
  progressAt: now,
});

/** Notes whether anything was read since the last look; false when the connection has to be cut. */
export function hold(lagging: Lagging, outflow: Outflow, now: Instant): boolean {
  const { packets, bytes } = lagging.outflow;
  if (outflow.packets < packets || outflow.bytes < bytes) lagging.progressAt = now;
  lagging.outflow = outflow;
  return outflow.bytes <= cutAfterBytes && now - lagging.progressAt <= stuckAfterMs;
}

/** What a fact is about: its name and its rooms, of which the narrowest names one thing. */
const topicOf = ({ name, rooms }: PublishedFact): string =>
  [name, ...rooms.map((room) => (room.of === 'tenant' ? '' : `${room.of}:${room.id}`))].join('|');

/** Keeps the newest fact of each topic, in the order of their places; the oldest topic goes when there are too many. */
export function keptInOrder(newest: Map<string, PublishedFact>, fact: PublishedFact): void {
  const topic = topicOf(fact);
  newest.delete(topic);
  newest.set(topic, fact);
  if (newest.size <= topicsMax) return;
  const [oldest] = newest.keys();
  if (oldest !== undefined) newest.delete(oldest);
}
