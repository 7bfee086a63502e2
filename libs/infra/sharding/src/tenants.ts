import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { type Clock, isAppError, newId, type Plan, type Tenant, type TenantId, toDate } from '#infra/kernel';
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
  /** The shard that is about to serve it, at the next epoch; null where no move is under way. */
  readonly movingTo: string | null;
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
/** Most shards that placement passes over because they do not answer. */
const awayMax = 8;
const noShardRetryAfterMs = 5_000;
const columns = 'id, slug, name, plan, shard_id as "shardId", epoch, state, moving_to as "movingTo"';
/** While neither of two shards serves a tenant between them: for as long as replication needs for one row. */
const handOverAttempts = 40;
const handOverPauseMs = 25;

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

  /**
   * Past the cache, for a tenant that was not found where the cache says. The source of a move hands a tenant over in one
   * commit, which the directory hears of afterwards: until then the fences of the two shards tell who serves it.
   */
  async servedNow(id: TenantId): Promise<TenantEntry> {
    let entry = await this.reload(id);
    for (let attempt = 1; attempt <= handOverAttempts && entry.movingTo !== null; attempt += 1) {
      const target = { ...entry, shardId: entry.movingTo, epoch: entry.epoch + 1, movingTo: null };
      if (await this.#serves(target)) return this.#keep(target);
      if (await this.#serves(entry)) return entry;
      await sleep(handOverPauseMs);
      entry = await this.reload(id);
    }
    return entry;
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
    const shardId = await this.#openFence(id, tenant.shardId);
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

  /** A shard that cannot be asked serves nobody now. */
  async #serves({ id, shardId, epoch }: TenantEntry): Promise<boolean> {
    try {
      const { value } = await transact(this.databases.relay(shardId), 'read', null, (db) =>
        db.query(`select from tenant_fence where tenant_id = $1 and epoch = $2 and state in ('open', 'leaving')`, [
          id,
          epoch,
        ]),
      );
      return value.length > 0;
    } catch {
      return false;
    }
  }

  /** On the shard that is wanted, else on the one that placement chooses among those that answer. */
  async #openFence(id: TenantId, wanted: string | undefined): Promise<string> {
    const away: string[] = [];
    for (;;) {
      const shardId = wanted ?? (await this.#placement(away));
      try {
        await transact(this.databases.relay(shardId), 'write', null, (db) =>
          db.query('insert into tenant_fence (tenant_id, epoch) values ($1, 1)', [id]),
        );
        return shardId;
      } catch (error) {
        if (wanted !== undefined || !isAppError(error, 'database.unreachable') || away.length >= awayMax) throw error;
        away.push(shardId);
      }
    }
  }

  /** Of a tenant that the directory surely does not hold. */
  async #closeFence(shardId: string, id: TenantId): Promise<void> {
    await transact(this.databases.relay(shardId), 'write', null, (db) =>
      db.query('delete from tenant_fence where tenant_id = $1', [id]),
    );
  }

  /** Two active shards at random, and the emptier of them for its weight. */
  async #placement(away: readonly string[]): Promise<string> {
    const shards = await this.#query<{ id: string; load: number }>(
      `select s.id, (count(t.id)::float8 / s.weight) as load
         from shard s left join tenant t on t.shard_id = s.id
        where s.state = 'active' and s.id <> all($1) group by s.id order by random() limit 2`,
      [away],
    );
    const [first, second] = shards;
    if (!first)
      throw fail('shard.unavailable', { internal: 'no active shard answers', retryAfterMs: noShardRetryAfterMs });
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
