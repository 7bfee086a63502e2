/** An active shard as placement sees it. Null: nobody has measured it yet. */
export interface ShardLoad {
  readonly id: string;
  readonly weight: number;
  readonly tenants: number;
  readonly bytes: number | null;
  readonly txPerS: number | null;
}

/** What a shard's load is made of: its shares of all shards' transactions, bytes and tenants. */
export const loadShares = { tx: 0.5, bytes: 0.3, tenants: 0.2 } as const;

/**
 * The load of each shard for its weight; only how they compare means anything. A shard that nobody has measured counts
 * as the mean of those that were: neither a magnet nor left alone.
 */
export function scoresOf(shards: readonly ShardLoad[]): ReadonlyMap<string, number> {
  const tx = sharesOf(shards.map(({ txPerS }) => txPerS));
  const bytes = sharesOf(shards.map((shard) => shard.bytes));
  const tenants = sharesOf(shards.map((shard) => shard.tenants));
  return new Map(
    shards.map(({ id, weight }, n) => {
      const load =
        loadShares.tx * (tx[n] ?? 0) + loadShares.bytes * (bytes[n] ?? 0) + loadShares.tenants * (tenants[n] ?? 0);
      return [id, load / weight];
    }),
  );
}

/** Two shards at random, and the less loaded of them; undefined where there is none. */
export function chooseShard(shards: readonly ShardLoad[], random: () => number = Math.random): string | undefined {
  if (shards.length < 2) return shards[0]?.id;
  const first = Math.floor(random() * shards.length);
  const step = 1 + Math.floor(random() * (shards.length - 1));
  const second = (first + step) % shards.length;
  const scores = scoresOf(shards);
  const [one, other] = [shards[first]?.id ?? '', shards[second]?.id ?? ''];
  return (scores.get(other) ?? 0) < (scores.get(one) ?? 0) ? other : one;
}

function sharesOf(amounts: readonly (number | null)[]): readonly number[] {
  const known = amounts.filter((amount) => amount !== null);
  const mean = known.reduce((sum, amount) => sum + amount, 0) / Math.max(1, known.length);
  const total = mean * amounts.length;
  return amounts.map((amount) => (total === 0 ? 0 : (amount ?? mean) / total));
}
