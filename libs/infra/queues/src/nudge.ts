import type { RedisConnections } from '#infra/redis';
import type { Log } from '#infra/telemetry';

/** Says only that some outbox has new work; where, the relay finds out. */
export const nudgeChannel = 'outbox.nudge';
/** Long enough for the transaction around an append to commit, and for a burst of them to become one message. */
export const nudgeDelayMs = 15;
/** A commit that took longer than the nudge is found by a second look. */
export const secondLookMs = 100;

/** Wakes relays after work was appended. Only a speed-up: a nudge that is lost costs one poll's time. */
export class Nudge {
  #timer: NodeJS.Timeout | undefined;
  /** At most one message waits for Redis, however long it is away. */
  #sending = false;

  constructor(
    private readonly redis: RedisConnections,
    private readonly log: Log,
  ) {}

  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#sending) this.soon();
      else void this.#send();
    }, nudgeDelayMs).unref();
  }

  async #send(): Promise<void> {
    this.#sending = true;
    try {
      await this.redis.get('queues').publish(nudgeChannel, '');
    } catch (error) {
      this.log.debug('outbox.nudge_lost', { error });
    } finally {
      this.#sending = false;
    }
  }
}

/** Calls `wake` for every nudge until the returned function is called. A lost connection subscribes again by itself. */
export async function onNudge(redis: RedisConnections, wake: () => void): Promise<() => void> {
  const connection = redis.open('queues');
  connection.on('message', wake);
  await connection.subscribe(nudgeChannel);
  return () => connection.disconnect();
}
