import { LRUCache } from 'lru-cache';
import { type Clock, newId, type Plan, type Tenant, type TenantId, toDate } from '#infra/kernel';
import { type Databases, directoryName } from './databases.js';
import { fail } from './sharding.errors.js';
import { transact } from './transaction.js';
import { violatedConstraint } from './violations.js';

/** Where a tenant lives and what it may use. */
export interface TenantEntry extends Tenant {
  readonly slug: string;
  readonly name: string;
  readonly shardId: string;
  readonly epoch: number;
  readonly state: 'active' | 'moving' | 'fenced' | 'suspended';
}

export interface NewTenant {
  readonly slug: string;
  readonly name: string;
  readonly plan: Plan;
  /** Chosen by load among the active shards when absent. */
  readonly shardId?: string;
}

const cacheMax = 50_000;
const cacheTtlMs = 60_000;
const columns = 'id, slug, name, plan, shard_id as "shardId", epoch, state';

/** The directory's map of tenants. The cache only saves a trip: the fence on the shard decides. */
export class Tenants {
  readonly #byId = new LRUCache<string, TenantEntry>({ max: cacheMax, ttl: cacheTtlMs });

  constructor(
    private readonly databases: Databases,
    private readonly clock: Clock,
  ) {}

  /** Throws tenant.not_found. */
  async byId(id: TenantId): Promise<TenantEntry> {
    return this.#byId.get(id) ?? this.reload(id);
  }

  async reload(id: TenantId): Promise<TenantEntry> {
    return this.#keep(await this.#find(`select ${columns} from tenant where id = $1`, [id]));
  }

  async bySlug(slug: string): Promise<TenantEntry> {
    return this.#keep(await this.#find(`select ${columns} from tenant where slug = $1`, [slug]));
  }

  /** At most 1,000, ordered by slug. */
  async list(): Promise<TenantEntry[]> {
    return this.#query(`select ${columns} from tenant order by slug limit 1000`, []);
  }

  /** Opens the fence on the shard first: a tenant in the directory is always served somewhere. */
  async create(tenant: NewTenant): Promise<TenantEntry> {
    const id = newId<TenantId>();
    const shardId = tenant.shardId ?? (await this.#placement());
    await transact(this.databases.relay(shardId), 'write', null, (db) =>
      db.query('insert into tenant_fence (tenant_id, epoch) values ($1, 1)', [id]),
    );
    try {
      await transact(this.databases.relay(directoryName), 'write', null, (db) =>
        db.query(`insert into tenant (id, slug, name, plan, shard_id, created_at) values ($1, $2, $3, $4, $5, $6)`, [
          id,
          tenant.slug,
          tenant.name,
          tenant.plan,
          shardId,
          toDate(this.clock.now()),
        ]),
      );
    } catch (error) {
      const violated = violatedConstraint(error);
      if (violated !== null) await this.#closeFence(shardId, id);
      throw violated === 'tenant_slug_key' ? fail('tenant.slug_taken') : error;
    }
    return this.byId(id);
  }

  /** Of a tenant that the directory surely does not hold. */
  async #closeFence(shardId: string, id: TenantId): Promise<void> {
    await transact(this.databases.relay(shardId), 'write', null, (db) =>
      db.query('delete from tenant_fence where tenant_id = $1', [id]),
    );
  }

  /** Two active shards at random, and the emptier of them for its weight. */
  async #placement(): Promise<string> {
    const shards = await this.#query<{ id: string; load: number }>(
      `select s.id, (count(t.id)::float8 / s.weight) as load
         from shard s left join tenant t on t.shard_id = s.id
        where s.state = 'active' group by s.id order by random() limit 2`,
      [],
    );
    const [first, second] = shards;
    if (!first) throw fail('shard.unavailable', { internal: 'the directory lists no active shard' });
    return second && second.load < first.load ? second.id : first.id;
  }

  async #find(sql: string, parameters: readonly unknown[]): Promise<TenantEntry> {
    const [entry] = await this.#query<TenantEntry>(sql, parameters);
    if (!entry) throw fail('tenant.not_found');
    return entry;
  }

  async #query<Row>(sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    const { value } = await transact(this.databases.directory.primary, 'read', null, (db) =>
      db.query<Row>(sql, parameters),
    );
    return value;
  }

  #keep(entry: TenantEntry): TenantEntry {
    this.#byId.set(entry.id, entry);
    return entry;
  }
}
