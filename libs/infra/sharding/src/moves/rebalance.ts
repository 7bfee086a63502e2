/** A tenant as a plan sees it. */
export interface PlacedTenant {
  readonly id: string;
  readonly slug: string;
  readonly shardId: string;
  readonly bytes: number;
}

export interface PlannedShard {
  readonly id: string;
  readonly state: string;
  readonly weight: number;
  readonly region: string;
}

export interface PlannedMove {
  readonly tenant: string;
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  readonly why: 'draining' | 'load';
}

export interface RebalancePlan {
  readonly moves: readonly PlannedMove[];
  /** The most loaded active shard to the mean of them; 1 is even. */
  readonly before: number;
  readonly after: number;
}

/** A shard's share of the load is of its bytes and of its number of tenants. */
const shares = { bytes: 0.6, tenants: 0.4 };
/** Shards are even enough below this. */
const unevenMax = 1.2;
const movesMax = 100;

/**
 * Which tenants should live elsewhere: all of shards that are being drained, and of the others as few as bring the most
 * loaded one near the mean. A tenant stays in its region, and moves at most once.
 */
export function planRebalance(shards: readonly PlannedShard[], tenants: readonly PlacedTenant[]): RebalancePlan {
  const loads = new Loads(shards, tenants);
  const before = loads.unevenness();
  const moves: PlannedMove[] = [];
  const note = (tenant: PlacedTenant, to: string, why: PlannedMove['why']) => {
    loads.move(tenant, to);
    moves.push({ tenant: tenant.slug, from: tenant.shardId, to, bytes: tenant.bytes, why });
  };
  for (const tenant of bySize(tenants)) {
    if (loads.shard(tenant.shardId)?.state !== 'draining' || moves.length === movesMax) continue;
    const to = loads.emptiest(tenant);
    if (to !== undefined) note(tenant, to, 'draining');
  }
  const settled = new Set(moves.map(({ tenant }) => tenant));
  for (const tenant of bySize(tenants)) {
    if (moves.length === movesMax || loads.unevenness() <= unevenMax) break;
    if (settled.has(tenant.slug) || loads.shard(tenant.shardId)?.state !== 'active') continue;
    const to = loads.emptiest(tenant);
    if (to !== undefined && loads.improves(tenant, to)) note(tenant, to, 'load');
  }
  return { moves, before, after: loads.unevenness() };
}

const bySize = (tenants: readonly PlacedTenant[]): readonly PlacedTenant[] =>
  tenants.toSorted((a, b) => b.bytes - a.bytes || (a.slug < b.slug ? -1 : 1));

class Loads {
  readonly #loads = new Map<string, number>();
  readonly #bytes: number;

  constructor(
    private readonly shards: readonly PlannedShard[],
    private readonly tenants: readonly PlacedTenant[],
  ) {
    this.#bytes = tenants.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { id } of shards) this.#loads.set(id, 0);
    for (const tenant of tenants) this.#add(tenant.shardId, this.#shareOf(tenant));
  }

  shard(id: string): PlannedShard | undefined {
    return this.shards.find((shard) => shard.id === id);
  }

  move(tenant: PlacedTenant, to: string): void {
    this.#add(tenant.shardId, -this.#shareOf(tenant));
    this.#add(to, this.#shareOf(tenant));
  }

  /** The active shard of the tenant's region with the least load for its weight, other than its own. */
  emptiest(tenant: PlacedTenant): string | undefined {
    const region = this.shard(tenant.shardId)?.region;
    return this.#active()
      .filter((shard) => shard.region === region && shard.id !== tenant.shardId)
      .sort((a, b) => this.#weighted(a) - this.#weighted(b))[0]?.id;
  }

  /** True where the fuller of the two is less full afterwards. */
  improves(tenant: PlacedTenant, to: string): boolean {
    const [from, target] = [this.shard(tenant.shardId), this.shard(to)];
    if (!from || !target) return false;
    const most = Math.max(this.#weighted(from), this.#weighted(target));
    const share = this.#shareOf(tenant);
    const afterwards = Math.max(this.#weighted(from, -share), this.#weighted(target, share));
    return this.#weighted(from) === most && afterwards < most;
  }

  unevenness(): number {
    const loads = this.#active().map((shard) => this.#weighted(shard));
    const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
    return loads.length === 0 || mean === 0 ? 1 : Math.max(...loads) / mean;
  }

  #active(): PlannedShard[] {
    return this.shards.filter(({ state }) => state === 'active');
  }

  #weighted({ id, weight }: PlannedShard, more = 0): number {
    return ((this.#loads.get(id) ?? 0) + more) / weight;
  }

  #shareOf({ bytes }: PlacedTenant): number {
    return shares.bytes * (this.#bytes === 0 ? 0 : bytes / this.#bytes) + shares.tenants / this.tenants.length;
  }

  #add(id: string, share: number): void {
    this.#loads.set(id, (this.#loads.get(id) ?? 0) + share);
  }
}
