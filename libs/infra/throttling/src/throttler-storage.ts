import { Injectable } from '@nestjs/common';
import type { ThrottlerStorage } from '@nestjs/throttler';
import { type Clock, systemClock } from '#infra/kernel';
import type { RedisConnections } from '#infra/redis';
import type { Log } from '#infra/telemetry';
import { SharedWindows } from './shared-windows.js';

type ThrottlerRecord = Awaited<ReturnType<ThrottlerStorage['increment']>>;

interface StorageParts {
  readonly redis: RedisConnections;
  readonly log: Log;
  readonly nodes: number;
  readonly deadlineMs: number;
  readonly clock?: Clock;
}

const seconds = (ms: number): number => Math.ceil(ms / 1_000);

/**
 * For routes under `@Throttle` of @nestjs/throttler: the same sliding windows in Redis, and this process's share without
 * it. A caller is refused until a place in the window is free, so `blockDuration` is the window's own.
 */
@Injectable()
export class RedisThrottlerStorage implements ThrottlerStorage {
  private readonly windows: SharedWindows;

  constructor({ redis, log, nodes, deadlineMs, clock = systemClock }: StorageParts) {
    this.windows = new SharedWindows({ redis, log, nodes, deadlineMs, clock, leases: false });
  }

  /** Times are in seconds in the answer, as the guard expects them, and in ms in the arguments. */
  async increment(key: string, ttlMs: number, limit: number, _blockMs: number, name: string): Promise<ThrottlerRecord> {
    const rule = { algorithm: 'sliding', limit, windowMs: ttlMs } as const;
    const kept = { name, key: `throttler:{${key}}:${name}`, rule, cost: 1 };
    const group = { charges: [{ ...kept, leasable: false, strict: false, blamed: false }] };
    const { taken, states } = this.windows.denied(group) ?? (await this.windows.consume(group));
    const { remaining, resetMs, waitMs } = states[0] ?? { remaining: 0, resetMs: ttlMs, waitMs: ttlMs };
    return {
      totalHits: taken ? limit - remaining : limit + 1,
      timeToExpire: seconds(resetMs),
      isBlocked: !taken,
      timeToBlockExpire: seconds(waitMs),
    };
  }
}
