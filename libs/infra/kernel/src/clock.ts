/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number;

/** The only source of the present; decisions take instants as parameters, so a test's clock never lies. */
export interface Clock {
  now(): Instant;
}

export const systemClock: Clock = { now: () => Date.now() };

/** A clock that stands still until told otherwise. */
export class FixedClock implements Clock {
  constructor(private instant: Instant) {}
  now(): Instant {
    return this.instant;
  }
  set(instant: Instant): void {
    this.instant = instant;
  }
  advance(ms: number): void {
    this.instant += ms;
  }
}

/** The value PostgreSQL takes for a timestamptz parameter. */
export const toDate = (instant: Instant): Date => new Date(instant);

/** Milliseconds that a monotonic clock has counted since `startedAt`, for durations. */
export const monotonicMs = (): number => performance.now();
