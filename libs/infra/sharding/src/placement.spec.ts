import { chooseShard, loadShares, type ShardLoad, scoresOf } from './placement.js';

const shard = (n: number, further: Partial<ShardLoad> = {}): ShardLoad => ({
  ...{ id: `shard-${n}`, weight: 100, tenants: 10, bytes: 1_000, txPerS: 50 },
  ...further,
});
const scores = (...shards: ShardLoad[]) => [...scoresOf(shards).values()].map((score) => Math.round(score * 1e6) / 1e4);

describe('the load of a shard', () => {
  it('is half its share of transactions, three tenths of bytes and a fifth of tenants, for its weight', () => {
    expect(loadShares).toEqual({ tx: 0.5, bytes: 0.3, tenants: 0.2 });
    expect(scores(shard(1), shard(2))).toEqual([0.5, 0.5]);
    expect(scores(shard(1, { txPerS: 150 }), shard(2))).toEqual([0.625, 0.375]);
    expect(scores(shard(1, { bytes: 3_000 }), shard(2))).toEqual([0.575, 0.425]);
    expect(scores(shard(1, { tenants: 30 }), shard(2))).toEqual([0.55, 0.45]);
    expect(scores(shard(1, { weight: 200 }), shard(2))).toEqual([0.25, 0.5]);
  });

  it('of one that nobody has measured is the mean of the others’; where nobody has measured any, tenants decide', () => {
    const fresh = { bytes: null, txPerS: null };
    expect(scores(shard(1, { txPerS: 30 }), shard(2, { txPerS: 90 }), shard(3, fresh))).toEqual([0.25, 0.4167, 0.3333]);
    expect(scores(shard(1, fresh), shard(2, { ...fresh, tenants: 30 }))).toEqual([0.05, 0.15]);
  });
});

describe('placement', () => {
  const drawn = (...shards: ShardLoad[]) => {
    const chosen = Array.from({ length: 3_000 }, () => chooseShard(shards));
    return shards.map(({ id }) => chosen.filter((each) => each === id).length);
  };

  it('takes the less loaded of two shards at random: the most loaded of all never, the least loaded most often', () => {
    const counts = drawn(shard(1, { txPerS: 10 }), shard(2, { txPerS: 50 }), shard(3, { txPerS: 90 }));
    expect(counts[2]).toBe(0);
    expect(counts[0]).toBeGreaterThan(counts[1]!);
    expect(counts[1]).toBeGreaterThan(500);
  });

  it('never draws the same shard twice, and has an answer for one shard and for none', () => {
    expect(drawn(shard(1, { txPerS: 10 }), shard(2))).toEqual([3_000, 0]);
    expect([chooseShard([shard(1)]), chooseShard([])]).toEqual(['shard-1', undefined]);
  });
});
