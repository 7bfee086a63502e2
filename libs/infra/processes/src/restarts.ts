const firstDelayMs = 250;
export const longestDelayMs = 30_000;
/** A worker that served this long was well: its end begins a new count. */
export const stableAfterMs = 60_000;
/** Ends before the first readiness, one after the other, after which nobody is helped by one more attempt. */
export const bootAttemptsMax = 3;

/** How long to wait before the next worker after that many ends in a row; the first replacement comes at once. */
export const restartDelayMs = (endsInRow: number): number =>
  endsInRow === 0 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** (endsInRow - 1));

/** What is remembered of the workers that one place had. */
export interface History {
  readonly endsInRow: number;
  readonly failedBoots: number;
}

export const newHistory: History = { endsInRow: 0, failedBoots: 0 };

/** `servedMs` is undefined when the worker ended before it was ready. */
export function afterEnd({ endsInRow, failedBoots }: History, servedMs: number | undefined): History {
  if (servedMs === undefined) return { endsInRow: endsInRow + 1, failedBoots: failedBoots + 1 };
  return { endsInRow: servedMs >= stableAfterMs ? 0 : endsInRow + 1, failedBoots: 0 };
}

/** Giving up would take away what still serves; with nobody serving, a clear end helps more than one more attempt. */
export const shouldGiveUp = (failedBoots: number, othersServe: boolean): boolean =>
  failedBoots >= bootAttemptsMax && !othersServe;
