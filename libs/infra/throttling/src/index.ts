export { addressSubject } from './address.js';
export type { LimitSubject } from './charges.js';
export { limitExceeded, type RateLimitHeaders, rateLimitHeaders } from './headers.js';
export { type LimitClassName, limitClasses, planLimits } from './limit-classes.js';
export { type LimitResult, type LimitState, Limits, limitSubjectOf } from './limits.js';
export { RedisThrottlerStorage } from './throttler-storage.js';
export { type ThrottlingConfig, throttlingConfig } from './throttling.config.js';
export { ThrottlingModule } from './throttling.module.js';
