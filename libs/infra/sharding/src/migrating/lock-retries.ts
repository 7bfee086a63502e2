import { codeOf } from './admin.js';
import { fail } from './migration.errors.js';
import type { Pacing } from './options.js';

/** lock_not_available, deadlock_detected: nothing was changed, and another moment may be better. */
const lockTroubles: ReadonlySet<string> = new Set(['55P03', '40P01']);
export const retriesMax = 10;
const firstWaitMs = 1_000;
const longestWaitMs = 30_000;

export interface LockWait {
  readonly attempt: number;
  readonly waitMs: number;
}

/** Between half and the whole of 1, 2, 4 … 30 s, so that two that met do not meet again. */
export const waitAfter = (attempt: number, random: () => number): number =>
  Math.round(Math.min(longestWaitMs, firstWaitMs * 2 ** (attempt - 1)) * (0.5 + random() / 2));

/**
 * Runs `work` again where it could not get a lock, up to 10 times more. Every attempt has the lock timeout, the last one
 * too: whoever waits for a strong lock stops everybody who comes after. Throws migration.locked in the end.
 */
export async function withLockRetries<T>(
  { sleep, random }: Pacing,
  work: () => Promise<T>,
  onWait: (wait: LockWait) => Promise<void>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!lockTroubles.has(codeOf(error))) throw error;
      if (attempt > retriesMax)
        throw fail('migration.locked', {
          cause: error,
          internal: `no lock in ${attempt} attempts: pg_stat_activity names who holds it; run again when they have ended`,
        });
      const waitMs = waitAfter(attempt, random);
      await onWait({ attempt, waitMs });
      await sleep(waitMs);
    }
  }
}
