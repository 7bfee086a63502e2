import { type PlacedTenant, type PlannedShard, planRebalance } from './rebalance.js';

const shard = (n: number, further: Partial<PlannedShard> = {}): PlannedShard => ({
  ...{ id: `shard-${n}`, state: 'active', weight: 100, region: 'default', txPerS: null },
  ...further,
});
const tenants = (n: number, shardId: string, bytes: number, further: Partial<PlacedTenant> = {}): PlacedTenant[] =>
  Array.from({ length: n }, (_, k) => ({
    ...{ id: `${shardId}-${k}`, slug: `${shardId}-tenant-${k}`, shardId, bytes, events: 0, crowd: 0 },
    ...further,
  }));

describe('a plan to rebalance', () => {
  it('is empty where shards are even, or where there is nothing', () => {
    const even = [...tenants(10, 'shard-1', 100), ...tenants(10, 'shard-2', 100)];
    expect(planRebalance([shard(1), shard(2)], even)).toEqual({ moves: [], crowded: [], before: 1, after: 1 });
    expect(planRebalance([shard(1)], [])).toEqual({ moves: [], crowded: [], before: 1, after: 1 });
  });

  it('brings the most loaded shard near the mean, with no tenant moved twice', () => {
    const plan = planRebalance([shard(1), shard(2), shard(3)], tenants(30, 'shard-1', 100));
    expect(plan.before).toBeCloseTo(3);
    expect(plan.after).toBeLessThanOrEqual(1.2);
    expect(new Set(plan.moves.map(({ tenant }) => tenant)).size).toBe(plan.moves.length);
    expect(plan.moves.length).toBeLessThanOrEqual(20);
    expect(plan.moves.every(({ from, to, why }) => from === 'shard-1' && to !== 'shard-1' && why === 'load')).toBe(
      true,
    );
  });

  it('gives a shard of twice the weight twice the load', () => {
    const plan = planRebalance(
      [shard(1, { weight: 200 }), shard(2)],
      [...tenants(20, 'shard-1', 100), ...tenants(10, 'shard-2', 100)],
    );
    expect(plan.moves).toEqual([]);
  });

  it('leaves one giant where it is when moving it would only move the load', () => {
    const plan = planRebalance(
      [shard(1), shard(2)],
      [...tenants(1, 'shard-1', 1_000_000), ...tenants(1, 'shard-2', 1)],
    );
    expect(plan.moves).toEqual([]);
  });

  it('empties a shard that is being drained, within the region of each tenant', () => {
    const shards = [shard(1, { state: 'draining' }), shard(2), shard(3, { region: 'eu' })];
    const plan = planRebalance(shards, [...tenants(3, 'shard-1', 10), ...tenants(1, 'shard-3', 1_000)]);
    expect(plan.moves).toHaveLength(3);
    expect(plan.moves.every(({ to, why }) => to === 'shard-2' && why === 'draining')).toBe(true);
  });

  it('counts transactions for half of the load, as placement does, shared out by what the tenants did', () => {
    const shards = [shard(1, { txPerS: 900 }), shard(2, { txPerS: 100 })];
    const even = [...tenants(9, 'shard-1', 100), ...tenants(9, 'shard-2', 100)];
    expect(planRebalance(shards, even).before).toBeCloseTo((0.5 * 0.9 + 0.5 * 0.5) * 2);
    const busy = { id: 'busy', slug: 'busy', shardId: 'shard-1', bytes: 100, events: 1_000, crowd: 0 };
    const [first] = planRebalance(shards, [...even, busy]).moves;
    expect(first).toMatchObject({ from: 'shard-1', to: 'shard-2', why: 'load' });
    const unmeasured = planRebalance([shard(1, { txPerS: 300 }), shard(2)], even);
    expect(unmeasured.before).toBeCloseTo(1);
  });

  it('names a tenant with more members than one shard should carry where that shard is busy, and where it could go', () => {
    const giant = { crowd: 100_001 };
    const placed = [
      ...tenants(1, 'shard-1', 1_000, giant),
      ...tenants(9, 'shard-1', 100).slice(1),
      ...tenants(1, 'shard-2', 100),
    ];
    const { crowded } = planRebalance([shard(1), shard(2)], placed, 100_000);
    expect(crowded).toEqual([{ tenant: 'shard-1-tenant-0', shardId: 'shard-1', rows: 100_001, to: 'shard-2' }]);
    const alone = [...tenants(1, 'shard-1', 1_000, giant), ...tenants(1, 'shard-2', 100)];
    expect(planRebalance([shard(1), shard(2)], alone, 100_000).crowded).toMatchObject([{ to: null }]);
    const atTheLimit = placed.map((tenant) => ({ ...tenant, crowd: Math.min(tenant.crowd, 100_000) }));
    expect(planRebalance([shard(1), shard(2)], atTheLimit, 100_000).crowded).toEqual([]);
    const quiet = [...tenants(1, 'shard-1', 100, giant), ...tenants(20, 'shard-2', 1_000)];
    expect(planRebalance([shard(1), shard(2)], quiet, 100_000).crowded).toEqual([]);
  });
});
