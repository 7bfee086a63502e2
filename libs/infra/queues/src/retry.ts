import { AppError, type ErrorKind } from '#infra/kernel';

export const retryBaseMs = 1_000;
export const retryMaxMs = 300_000;
/** Each delay is drawn from ± this share around its step, so that jobs that failed together do not come back together. */
export const retryJitter = 0.5;

/** Delay after the n-th failed attempt: 1, 2, 4, 8 s … ± jitter, at most five minutes. `random` is in [0, 1). */
export function retryDelayMs(failedAttempts: number, random: number): number {
  const step = retryBaseMs * 2 ** (failedAttempts - 1);
  return Math.round(Math.min(step * (1 - retryJitter + 2 * retryJitter * random), retryMaxMs));
}

/** Whether the same work may succeed later. What nobody declared is a bug or a broken connection: tried again. */
export function mayRetry(error: unknown): boolean {
  return error instanceof AppError ? mayPass(error.kind) : true;
}

function mayPass(kind: ErrorKind): boolean {
  switch (kind) {
    case 'conflict':
    case 'limited':
    case 'timeout':
    case 'unavailable':
    case 'internal':
      return true;
    case 'invalid':
    case 'unparsable':
    case 'unauthenticated':
    case 'forbidden':
    case 'not_found':
    case 'gone':
    case 'precondition_required':
    case 'precondition_failed':
    case 'payment_required':
    case 'too_large':
    case 'too_slow':
      return false;
  }
}

/** What may be kept about a failure: a declared code or, for anything else, `job.failed`; never a message. */
export const failureCode = (error: unknown): string => (error instanceof AppError ? error.code : 'job.failed');

export const retryAfterMsOf = (error: unknown): number =>
  error instanceof AppError ? Math.min(error.options.retryAfterMs ?? 0, retryMaxMs) : 0;

/** A job that is put off for longer, reckoned from when it was asked for, uses up its attempts again. */
export const postponedMaxMs = 24 * 3_600_000;

/** Delay of a job that was put off: not before what it waits for may be back, and not all of them at once. */
export function postponeDelayMs(retryAfterMs: number, random: number): number {
  const step = Math.max(retryAfterMs, retryBaseMs);
  return Math.round(Math.min(step * (1 + retryJitter * random), retryMaxMs));
}

/**
 * Thrown by a processor that could not begin, through no fault of this job: what it needs is known to be away. The job
 * is done later, when `cause` says, and no attempt is used up.
 */
export class Postponed extends Error {
  override readonly name = 'Postponed';
  constructor(override readonly cause: AppError) {
    super(cause.code, { cause });
  }
}

/** What a queue is told about a failed attempt: the code alone, since queues keep messages and stacks in Redis. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
  constructor(
    code: string,
    readonly retryAfterMs: number,
  ) {
    super(code);
  }
}
