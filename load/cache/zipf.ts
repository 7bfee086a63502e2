import { dice } from '../people.js';

/** Draws numbers below `keys`: the n-th is drawn n^-s as often as the first. The same seed, the same draws. */
export function zipf(keys: number, s: number, seed: number): () => number {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let n = 0; n < keys; n += 1) {
    sum += (n + 1) ** -s;
    sums[n] = sum;
  }
  const roll = dice(seed);
  return () => {
    const wanted = roll() * sum;
    let [low, high] = [0, keys - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
