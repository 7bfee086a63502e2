import { BlockList, isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import type { Audit } from '#infra/audit';
import { type Clock, may, newId, type TenantContext, type TenantId } from '#infra/kernel';
import type { Sharding, WriteContext } from '#infra/sharding';
import type { LimitSubject } from './charges.js';
import { type NetworkId, type TenantNetwork, TenantNetworksRepository } from './tenant-networks.repository.js';
import { fail } from './throttling.errors.js';

/** Whether a user is in one of their tenant's own networks. */
export interface HomeNetworks {
  isHome(subject: LimitSubject): boolean | Promise<boolean>;
}

interface NetworksParts {
  readonly sharding: Sharding;
  readonly audit: Audit;
  readonly clock: Clock;
}

const networksMax = 50;
const widest = { 4: 24, 6: 48 } as const;
const tenantsKnown = 50_000;
const knownForMs = 60_000;
const loadDeadlineMs = 25;
const queryDeadlineMs = 1_000;

/** Throws network.too_wide for what is no network, and for one that is wider than a clinic's. */
export function networkOf(text: string): string {
  const [address = '', length] = text.trim().split('/');
  const family = isIP(address);
  if (family !== 4 && family !== 6) throw fail('network.too_wide');
  const bits = family === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  if (!/^\d{1,3}$/.test(length ?? '0') || prefix > bits || prefix < widest[family]) throw fail('network.too_wide');
  return `${address}/${prefix}`;
}

/** A tenant's own networks: kept for a minute in each process, so that a change applies everywhere within 60 s. */
export class TenantNetworks implements HomeNetworks {
  readonly #rows = new TenantNetworksRepository();
  readonly #known = new LRUCache<TenantId, BlockList | 'none'>({ max: tenantsKnown, ttl: knownForMs });
  readonly #loading = new Map<TenantId, Promise<BlockList | 'none'>>();

  constructor(private readonly parts: NetworksParts) {}

  /** Waits at most 25 ms for what it does not know; then it says no. */
  isHome({ ip, userId, tenantId, plan }: LimitSubject): boolean | Promise<boolean> {
    if (userId === undefined || tenantId === undefined || plan === undefined) return false;
    const tenant = { id: tenantId as TenantId, plan };
    const known = this.#known.get(tenant.id);
    if (known !== undefined) return holds(known, ip);
    return Promise.race([this.#loaded(tenant), late()]).then((found) => holds(found, ip));
  }

  /** Whether an address lies in one of the tenant's networks. */
  async contain(tenant: TenantContext['tenant'], address: string): Promise<boolean> {
    return holds(this.#known.get(tenant.id) ?? (await this.#loaded(tenant)), address);
  }

  /** In the order of their addresses; at most 50. */
  list(ctx: TenantContext): Promise<readonly TenantNetwork[]> {
    demand(ctx, 'operations.read');
    return this.parts.sharding.directory.read(ctx, (tx) => this.#rows.list(tx, networksMax));
  }

  /** Throws network.taken, network.too_wide or network.too_many. */
  async add(ctx: TenantContext, network: string): Promise<TenantNetwork> {
    demand(ctx, 'users.manage');
    const asked = networkOf(network);
    const added = await this.parts.sharding.directory.write(ctx, async (tx) => {
      const id = newId<NetworkId>();
      const row = await this.#rows.insert(tx, id, asked, this.parts.clock.now(), networksMax);
      if (row !== null) await this.#audit(tx, 'network.add', id);
      return row;
    });
    if (added === null) throw fail('network.too_many');
    this.#known.delete(ctx.tenant.id);
    return added;
  }

  /** Throws network.unknown. */
  async remove(ctx: TenantContext, network: string): Promise<void> {
    demand(ctx, 'users.manage');
    const meant = networkOf(network);
    await this.parts.sharding.directory.write(ctx, async (tx) => {
      const id = await this.#rows.delete(tx, meant);
      if (id === null) throw fail('network.unknown');
      await this.#audit(tx, 'network.remove', id);
    });
    this.#known.delete(ctx.tenant.id);
  }

  #audit(tx: WriteContext, action: string, resourceId: NetworkId): Promise<void> {
    return this.parts.audit.record(tx, { action, resourceType: 'network', resourceId });
  }

  #loaded(tenant: TenantContext['tenant']): Promise<BlockList | 'none'> {
    return this.#loading.get(tenant.id) ?? this.#load(tenant);
  }

  #load(tenant: TenantContext['tenant']): Promise<BlockList | 'none'> {
    const { sharding, clock } = this.parts;
    const ctx: TenantContext = {
      requestId: newId(),
      actor: { kind: 'system', name: 'limits' },
      tenant,
      deadline: clock.now() + queryDeadlineMs,
    };
    const loading = sharding.directory
      .read(ctx, (tx) => this.#rows.list(tx, networksMax))
      .then((networks) => {
        const found = listOf(networks);
        this.#known.set(tenant.id, found);
        return found;
      })
      .catch((): 'none' => {
        // Whoever cannot be asked knows no network: limits then count the address. Asked again after a second.
        this.#known.set(tenant.id, 'none', { ttl: queryDeadlineMs });
        return 'none';
      })
      .finally(() => this.#loading.delete(tenant.id));
    this.#loading.set(tenant.id, loading);
    return loading;
  }
}

function demand(ctx: TenantContext, permission: string): void {
  if (!may(ctx, permission)) throw fail('limit.denied');
}

function listOf(networks: readonly TenantNetwork[]): BlockList | 'none' {
  if (networks.length === 0) return 'none';
  const list = new BlockList();
  for (const { network } of networks) {
    const [address = '', prefix] = network.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    list.addSubnet(address, prefix === undefined ? (family === 'ipv4' ? 32 : 128) : Number(prefix), family);
  }
  return list;
}

function holds(list: BlockList | 'none', ip: string): boolean {
  if (list === 'none') return false;
  const family = isIP(ip);
  return family !== 0 && list.check(ip, family === 4 ? 'ipv4' : 'ipv6');
}

const late = (): Promise<'none'> => new Promise((resolve) => setTimeout(() => resolve('none'), loadDeadlineMs).unref());
