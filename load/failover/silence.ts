import { setTimeout as sleep } from 'node:timers/promises';

/** When a count was seen to have grown. */
export interface Growth {
  readonly at: number;
  readonly count: number;
}

const everyMs = 10;

/** Looks at a count until the signal, and notes each time that it has grown. */
export async function watchGrowth(count: () => number, signal: AbortSignal): Promise<readonly Growth[]> {
  const seen: Growth[] = [];
  while (!signal.aborted) {
    const now = count();
    if (now > (seen.at(-1)?.count ?? 0)) seen.push({ at: performance.now(), count: now });
    await sleep(everyMs);
  }
  return seen;
}

/**
 * From an instant to the end of the longest time without growth between it and another one: what was on its way at that
 * instant still arrives. NaN where nothing grew between them.
 */
export function silenceBetween(instant: number, until: number, growths: readonly Growth[]): number {
  let [longest, endedAt] = [Number.NEGATIVE_INFINITY, Number.NaN];
  let before = instant;
  for (const { at } of growths) {
    if (at <= instant || at > until) continue;
    if (at - before > longest) [longest, endedAt] = [at - before, at];
    before = at;
  }
  return endedAt - instant;
}
