import type { Clock } from '#infra/kernel';
import type { RedisConnections } from '#infra/redis';
import type { Log } from '#infra/telemetry';
import { Breaker } from './breaker.js';
import type { Charge, ChargeGroup } from './charges.js';
import { type GroupAnswer, LocalWindows } from './local-windows.js';
import { RedisWindows } from './redis-windows.js';

interface SharedWindowsParts {
  readonly redis: RedisConnections;
  readonly log: Log;
  readonly clock: Clock;
  /** Processes that share the limits. */
  readonly nodes: number;
}

export const answerDeadlineMs = 25;

/**
 * Windows in Redis while it answers within 25 ms, and this process's share of each limit (at least 1) while it does not.
 * After 5 failures in a row Redis is left alone for a second.
 */
export class SharedWindows {
  private readonly shared: RedisWindows;
  private readonly local: LocalWindows;
  private readonly breaker: Breaker;
  private readonly nodes: number;

  constructor({ redis, log, clock, nodes }: SharedWindowsParts) {
    this.shared = new RedisWindows(redis);
    this.local = new LocalWindows(clock);
    this.nodes = nodes;
    this.breaker = new Breaker(clock, (state, error) =>
      state === 'open'
        ? log.warn('limits.source_changed', { from: 'redis', to: 'local', error })
        : log.info('limits.source_changed', { from: 'local', to: 'redis' }),
    );
  }

  async consume(group: ChargeGroup, cost: number): Promise<GroupAnswer> {
    if (!this.breaker.allows()) return this.consumeShare(group, cost);
    try {
      const answer = await within(answerDeadlineMs, this.shared.consume(group, cost));
      this.breaker.succeeded();
      return answer;
    } catch (error) {
      this.breaker.failed(error);
      return this.consumeShare(group, cost);
    }
  }

  private consumeShare(group: ChargeGroup, cost: number): GroupAnswer {
    const share = (charge: Charge) => ({ ...charge, limit: Math.max(1, Math.floor(charge.limit / this.nodes)) });
    return this.local.consume(group.map(share), cost);
  }
}

class LateAnswerError extends Error {
  override readonly name = 'LateAnswerError';
}

/** Where the event loop itself was late, an answer that has arrived meanwhile is read before time is called. */
async function within<T>(deadlineMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => setImmediate(() => reject(new LateAnswerError('no answer in time'))), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
