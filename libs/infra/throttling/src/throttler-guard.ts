import { type ExecutionContext, Injectable } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerLimitDetail } from '@nestjs/throttler';
import { limitExceeded } from './headers.js';

/** For code that brings `@Throttle` along: the guard of @nestjs/throttler, whose refusals are those of every other limit. */
@Injectable()
export class RouteThrottlerGuard extends ThrottlerGuard {
  protected override throwThrottlingException(_context: ExecutionContext, detail: ThrottlerLimitDetail): Promise<void> {
    const { limit, ttl: windowMs, timeToExpire, timeToBlockExpire } = detail;
    const policy = { name: 'route', limit, windowMs, remaining: 0, resetMs: timeToExpire * 1_000, exceeded: true };
    throw limitExceeded({ allowed: false, retryAfterMs: timeToBlockExpire * 1_000, policies: [policy] });
  }
}
