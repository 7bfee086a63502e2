import { setTimeout as sleep } from 'node:timers/promises';
import { isAppError, monotonicMs } from '#infra/kernel';

export interface Repeatable {
  /** How long the caller may wait. */
  readonly leftMs: number;
  /** True: running again what was committed already has no second effect, because its Idempotency-Key tells. */
  readonly keyed: boolean;
}

/** How long a transaction that had begun waits for a server to take it, while a primary restarts or changes places. */
const patienceMs = 5_000;
const triesMax = 16;
/** A transaction that loses its connection twice may be what its server dies of. */
const lossesMax = 1;
const firstPauseMs = 50;
const longestPauseMs = 500;

/** What a failure says about the transaction that it ended. `unsent`: no server was there to take it. */
type Fate = 'unsent' | 'undone' | 'lost' | 'in_doubt' | 'final';

const fates: Readonly<Record<string, Fate>> = {
  'database.unreachable': 'unsent',
  'database.pool_exhausted': 'unsent',
  'database.read_only': 'undone',
  'database.lost': 'lost',
  'database.in_doubt': 'in_doubt',
};

/** What the tenants of a shard are told has the database's own failure as its cause. */
function codeOf(error: unknown): string {
  const own = isAppError(error, 'shard.unavailable') && isAppError(error.cause) ? error.cause : error;
  return isAppError(own) ? own.code : '';
}

/**
 * Runs a transaction again that its server left: nothing of it was changed, or its key tells. What found no server in the
 * first place is refused at once, so that nobody queues before a dead one.
 */
export async function throughFailover<T>(attempt: () => Promise<T>, { leftMs, keyed }: Repeatable): Promise<T> {
  const endsAt = monotonicMs() + Math.min(patienceMs, leftMs);
  let losses = 0;
  let doubt: unknown;
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      const fate = fates[codeOf(error)] ?? 'final';
      if (fate === 'lost' || fate === 'in_doubt') losses += 1;
      if (fate === 'in_doubt') doubt = error;
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (tries - 1));
      const late = tries === triesMax || monotonicMs() + pauseMs > endsAt;
      if (late || losses > lossesMax || !mayRepeat(fate, tries, keyed)) throw told(error, doubt);
      await sleep(pauseMs);
    }
  }
}

function mayRepeat(fate: Fate, tries: number, keyed: boolean): boolean {
  if (fate === 'final') return false;
  if (fate === 'unsent') return tries > 1;
  return fate !== 'in_doubt' || keyed;
}

/** A doubt stays where what followed it says nothing about it. */
function told(error: unknown, doubt: unknown): unknown {
  const code = codeOf(error);
  const isSilent = fates[code] !== undefined || code === 'database.timeout';
  return doubt !== undefined && isSilent ? doubt : error;
}
