import { loadShares } from '../placement.js';

/** A tenant as a plan sees it. */
export interface PlacedTenant {
  readonly id: string;
  readonly slug: string;
  readonly shardId: string;
  readonly bytes: number;
  /** What it did of late: its shard's transactions are shared out by this. */
  readonly events: number;
  /** Rows of the table whose crowds are looked for. */
  readonly crowd: number;
}

export interface PlannedShard {
  readonly id: string;
  readonly state: string;
  readonly weight: number;
  readonly region: string;
  /** As last measured; null: nobody has yet. */
  readonly txPerS: number | null;
}

export interface PlannedMove {
  readonly tenant: string;
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  readonly why: 'draining' | 'load';
}

/** A tenant with very many rows of a kind on a shard that carries more than the others. */
export interface CrowdedTenant {
  readonly tenant: string;
  readonly shardId: string;
  readonly rows: number;
  /** Where it would make the fuller of the two less full; null: it needs a shard of its own. */
  readonly to: string | null;
}

export interface RebalancePlan {
  readonly moves: readonly PlannedMove[];
  readonly crowded: readonly CrowdedTenant[];
  /** The most loaded active shard to the mean of them; 1 is even. */
  readonly before: number;
  readonly after: number;
}

/** Shards are even enough below this. */
const unevenMax = 1.2;
const movesMax = 100;

/**
 * Which tenants should live elsewhere: all of shards that are being drained, and of the others as few as bring the most
 * loaded one near the mean. A tenant stays in its region, and moves at most once.
 */
export function planRebalance(
  shards: readonly PlannedShard[],
  tenants: readonly PlacedTenant[],
  crowdMax = Number.POSITIVE_INFINITY,
): RebalancePlan {
  const loads = new Loads(shards, tenants);
  const before = loads.unevenness();
  const crowded = tenants
    .filter(({ crowd, shardId }) => crowd > crowdMax && loads.isBusy(shardId))
    .map(suggestion(loads));
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
  return { moves, crowded, before, after: loads.unevenness() };
}

const suggestion =
  (loads: Loads) =>
  (tenant: PlacedTenant): CrowdedTenant => {
    const to = loads.emptiest(tenant);
    const { slug, shardId, crowd: rows } = tenant;
    return { tenant: slug, shardId, rows, to: to !== undefined && loads.relieves(tenant, to) ? to : null };
  };

const bySize = (tenants: readonly PlacedTenant[]): readonly PlacedTenant[] =>
  tenants.toSorted((a, b) => b.bytes - a.bytes || (a.slug < b.slug ? -1 : 1));

class Loads {
  readonly #loads = new Map<string, number>();
  readonly #shares: ReadonlyMap<string, number>;

  constructor(
    private readonly shards: readonly PlannedShard[],
    tenants: readonly PlacedTenant[],
  ) {
    this.#shares = sharesOf(shards, tenants);
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

  /** True where its shard is the fuller of the two, and the fuller one is less full afterwards. */
  improves(tenant: PlacedTenant, to: string): boolean {
    const [from, target] = [this.shard(tenant.shardId), this.shard(to)];
    return !!from && !!target && this.#weighted(from) >= this.#weighted(target) && this.relieves(tenant, to);
  }

  /** True where the fuller of the two is less full afterwards. */
  relieves(tenant: PlacedTenant, to: string): boolean {
    const [from, target] = [this.shard(tenant.shardId), this.shard(to)];
    if (!from || !target) return false;
    const share = this.#shareOf(tenant);
    const afterwards = Math.max(this.#weighted(from, -share), this.#weighted(target, share));
    return afterwards < Math.max(this.#weighted(from), this.#weighted(target));
  }

  /** It carries more than the mean of the active shards. */
  isBusy(id: string): boolean {
    const shard = this.shard(id);
    return shard !== undefined && this.#weighted(shard) > this.#mean();
  }

  unevenness(): number {
    const mean = this.#mean();
    return mean === 0 ? 1 : Math.max(...this.#active().map((shard) => this.#weighted(shard))) / mean;
  }

  #mean(): number {
    const loads = this.#active().map((shard) => this.#weighted(shard));
    return loads.reduce((sum, load) => sum + load, 0) / Math.max(1, loads.length);
  }

  #active(): PlannedShard[] {
    return this.shards.filter(({ state }) => state === 'active');
  }

  #weighted({ id, weight }: PlannedShard, more = 0): number {
    return ((this.#loads.get(id) ?? 0) + more) / weight;
  }

  #shareOf({ id }: PlacedTenant): number {
    return this.#shares.get(id) ?? 0;
  }

  #add(id: string, share: number): void {
    this.#loads.set(id, (this.#loads.get(id) ?? 0) + share);
  }
}

/**
 * What each tenant adds to the load of its shard, by the shares that placement goes by. Nobody counts transactions by
 * tenant: a shard's are shared out by what its tenants did of late.
 */
function sharesOf(shards: readonly PlannedShard[], tenants: readonly PlacedTenant[]): ReadonlyMap<string, number> {
  const events = new Map<string, number>();
  for (const { shardId, events: of } of tenants) events.set(shardId, (events.get(shardId) ?? 0) + of + 1);
  const rates = new Map(shards.map(({ id, txPerS }) => [id, txPerS ?? meanRate(shards)]));
  const total = { bytes: 0, tx: 0 };
  for (const { bytes } of tenants) total.bytes += bytes;
  for (const id of events.keys()) total.tx += rates.get(id) ?? 0;
  const part = (amount: number, of: number): number => (of === 0 ? 0 : amount / of);
  return new Map(
    tenants.map((tenant) => {
      const tx = (rates.get(tenant.shardId) ?? 0) * part(tenant.events + 1, events.get(tenant.shardId) ?? 0);
      const load = loadShares.tx * part(tx, total.tx) + loadShares.bytes * part(tenant.bytes, total.bytes);
      return [tenant.id, load + loadShares.tenants / tenants.length];
    }),
  );
}

function meanRate(shards: readonly PlannedShard[]): number {
  const known = shards.flatMap(({ txPerS }) => txPerS ?? []);
  return known.reduce((sum, rate) => sum + rate, 0) / Math.max(1, known.length);
}
