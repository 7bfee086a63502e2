import type { RedisConnections } from '#infra/redis';
import type { Log } from '#infra/telemetry';
import type { OutboxEntry } from './catalogue.js';

/** What an outbox has news of. */
export type Kind = OutboxEntry['kind'];

/** Says only of what kind the news are; where, the relay finds out. */
export const nudgeChannel = (redis: RedisConnections): string => redis.channel('queues', 'outbox.nudge');
/** What is committed this soon after a nudge goes with the next one. */
export const nudgeGapMs = 3;

/**
 * Wakes relays after a commit. The first of a burst leaves at once; at most one is on its way, however long Redis is
 * away. Only a speed-up: a nudge that is lost costs one poll's time.
 */
export class Nudge {
  readonly #news = new Set<Kind>();
  #resting = false;

  constructor(
    private readonly redis: RedisConnections,
    private readonly log: Log,
  ) {}

  soon(kind: Kind): void {
    this.#news.add(kind);
    if (!this.#resting) void this.#send();
  }

  async #send(): Promise<void> {
    this.#resting = true;
    const news = [...this.#news].join(' ');
    this.#news.clear();
    try {
      await this.redis.get('queues').publish(nudgeChannel(this.redis), news);
    } catch (error) {
      this.log.debug('outbox.nudge_lost', { error });
    }
    setTimeout(() => {
      this.#resting = false;
      if (this.#news.size > 0) void this.#send();
    }, nudgeGapMs).unref();
  }
}

export type Wake = Readonly<Partial<Record<Kind, () => void>>>;

/** Calls what is to be woken, until the returned function is called. A lost connection subscribes again by itself. */
export async function onNudge(redis: RedisConnections, wake: Wake): Promise<() => void> {
  const connection = redis.open('queues');
  connection.on('message', (_channel: string, news: string) => {
    for (const kind of news.split(' ')) if (kind === 'fact' || kind === 'job') wake[kind]?.();
  });
  await connection.subscribe(nudgeChannel(redis));
  return () => connection.disconnect();
}
