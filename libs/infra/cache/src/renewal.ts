/** An entry that is asked for in the last fifth of its time is loaded again before it ends. */
const aheadShare = 0.2;
/** XFetch's β (Vattani, Chierichetti, Lowenstein, 2015): 1 is its optimum. */
const beta = 1;

/**
 * Whether to load again now what is still fresh: surely in the last fifth of its time, and before that with a chance that
 * grows as its end comes within reach of the time that its load takes.
 */
export const isDue = (
  { leftMs, ttlMs, costMs }: { readonly leftMs: number; readonly ttlMs: number; readonly costMs: number },
  random: number,
): boolean => leftMs <= ttlMs * aheadShare || leftMs <= -costMs * beta * Math.log(1 - random);
