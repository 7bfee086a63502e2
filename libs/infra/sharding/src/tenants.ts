import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import {
  type Clock,
  type Instant,
  isAppError,
  newId,
  type Plan,
  type Tenant,
  type TenantId,
  toDate,
} from '#infra/kernel';
import { type Databases, directoryName } from './databases.js';
import type { DirectoryNews } from './directory-news.js';
import { chooseShard, type ShardLoad } from './placement.js';
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
  /** By resource, before what the plan allows; null: no limit. */
  readonly quotaOverrides: Readonly<Record<string, number | null>>;
  /** When plan or overrides last changed; 0: never. */
  readonly limitsSince: Instant;
}

export interface NewTenant {
  readonly slug: string;
  readonly name: string;
  readonly plan: Plan;
  /** Chosen by load among the active shards when absent. */
  readonly shardId?: string;
  /** Where its data must lie, now and after every move; that of the shard when absent. */
  readonly region?: string;
}

const cacheMax = 50_000;
const cacheTtlMs = 60_000;
/** Most shards that placement passes over because they do not answer. */
const awayMax = 8;
const noShardRetryAfterMs = 5_000;
const columns = `id, slug, name, plan, shard_id as "shardId", epoch, state, moving_to as "movingTo",
  quota_overrides as "quotaOverrides", coalesce(extract(epoch from limits_since) * 1000, 0)::float8 as "limitsSince"`;
/** While neither of two shards serves a tenant between them: for as long as replication needs for one row. */
const handOverAttempts = 40;
const handOverPauseMs = 25;

const insertTenant = `
insert into tenant (id, slug, name, plan, shard_id, created_at, region)
select $1::uuid, $2, $3, $4, s.id, $6, s.region from shard s where s.id = $5`;

const loads = `
select s.id, s.weight, s.region, (select count(*)::int from tenant t where t.shard_id = s.id) as tenants,
       l.bytes::float8 as bytes, l.tx_per_s as "txPerS"
  from shard s left join shard_load l on l.shard_id = s.id
 where s.id <> all($1) and case when $2::text is null then s.state = 'active' else s.id = $2 end`;

const dropOverride = 'update tenant set limits_since = $2, quota_overrides = quota_overrides - $3::text where id = $1';
const setOverride = `
update tenant set limits_since = $2, quota_overrides = quota_overrides || jsonb_build_object($3::text, $4::bigint)
 where id = $1`;

const noShard = (region: string | undefined): string =>
  `no active shard answers${region === undefined ? '' : ` in region ${region}`}`;

/** The directory's map of tenants. The cache only saves a trip: the fence on the shard decides. */
export class Tenants {
  readonly #byId = new LRUCache<string, TenantEntry>({ max: cacheMax, ttl: cacheTtlMs });
  /** Grows with every piece of news: what was asked before it may be older than it. */
  #newsHeard = 0;

  constructor(
    private readonly databases: Databases,
    private readonly clock: Clock,
    private readonly news?: DirectoryNews,
  ) {}

  /** From now on changes that other processes make are heard of within a moment, and not only after a minute. */
  listen(): void {
    this.news?.start({
      changed: ({ tenant }) => {
        this.#newsHeard += 1;
        this.#byId.delete(tenant);
      },
      missed: () => {
        this.#newsHeard += 1;
        this.#byId.clear();
      },
    });
  }

  stopListening(): void {
    this.news?.stop();
  }

  /** Entries in memory. */
  get kept(): number {
    return this.#byId.size;
  }

  /** Throws tenant.not_found. */
  async byId(id: TenantId): Promise<TenantEntry> {
    return this.#byId.get(id) ?? this.reload(id);
  }

  /** The entry where it is in memory. */
  known(id: TenantId): TenantEntry | undefined {
    return this.#byId.get(id);
  }

  reload(id: TenantId): Promise<TenantEntry> {
    return this.#load(`select ${columns} from tenant where id = $1`, id);
  }

  /**
   * Past the cache, for a tenant that was not found where the cache says. The source of a move hands a tenant over in one
   * commit, which the directory hears of afterwards: until then the fences of the two shards tell who serves it.
   */
  async servedNow(id: TenantId): Promise<TenantEntry> {
    let heard = this.#newsHeard;
    let entry = await this.reload(id);
    for (let attempt = 1; attempt <= handOverAttempts && entry.movingTo !== null; attempt += 1) {
      const target = { ...entry, shardId: entry.movingTo, epoch: entry.epoch + 1, movingTo: null };
      if (await this.#serves(target)) return heard === this.#newsHeard ? this.#keep(target) : target;
      if (await this.#serves(entry)) return entry;
      await sleep(handOverPauseMs);
      heard = this.#newsHeard;
      entry = await this.reload(id);
    }
    return entry;
  }

  bySlug(slug: string): Promise<TenantEntry> {
    return this.#load(`select ${columns} from tenant where slug = $1`, slug);
  }

  /** At most 1,000, ordered by slug. */
  async list(): Promise<TenantEntry[]> {
    return this.#query(`select ${columns} from tenant order by slug limit 1000`, []);
  }

  /**
   * Opens the fence on the shard first: a tenant in the directory is always served somewhere. It needs no news: nobody
   * remembers that a tenant was not there.
   */
  async create(tenant: NewTenant): Promise<TenantEntry> {
    const id = newId<TenantId>();
    const shardId = await this.#openFence(id, tenant);
    try {
      await transact(this.databases.relay(directoryName), 'write', null, (db) =>
        db.query(insertTenant, [id, tenant.slug, tenant.name, tenant.plan, shardId, toDate(this.clock.now())]),
      );
    } catch (error) {
      const violated = violatedConstraint(error);
      if (violated !== null) await this.#closeFence(shardId, id);
      throw violated === 'tenant_slug_key' ? fail('tenant.slug_taken') : error;
    }
    return this.byId(id);
  }

  /** What it may use from now on, in every process within a moment. Throws tenant.not_found. */
  changePlan(id: TenantId, plan: Plan): Promise<TenantEntry> {
    return this.#change(id, 'update tenant set plan = $2, limits_since = $3 where id = $1', [plan, this.#now()]);
  }

  /** A quota of its own from now on, null for no limit, or `plan` for that of its plan. Throws tenant.not_found. */
  changeQuota(id: TenantId, resource: string, limit: number | null | 'plan'): Promise<TenantEntry> {
    return limit === 'plan'
      ? this.#change(id, dropOverride, [this.#now(), resource])
      : this.#change(id, setOverride, [this.#now(), resource, limit]);
  }

  /** Nobody logs in any more, and who is in is refused. Its data stays as it is. Throws tenant.not_found. */
  suspend(id: TenantId): Promise<TenantEntry> {
    return this.#change(id, `update tenant set state = 'suspended' where id = $1`, []);
  }

  /** As it was before it was suspended. Throws tenant.not_found. */
  resume(id: TenantId): Promise<TenantEntry> {
    const sql = `update tenant set state = case when moving_to is null then 'active' else 'moving' end
                  where id = $1 and state = 'suspended'`;
    return this.#change(id, sql, []);
  }

  #now(): Date {
    return toDate(this.clock.now());
  }

  async #change(id: TenantId, sql: string, parameters: readonly unknown[]): Promise<TenantEntry> {
    await transact(this.databases.relay(directoryName), 'write', null, (db) => db.query(sql, [id, ...parameters]));
    const entry = await this.reload(id);
    await this.news?.tell({ tenant: id, epoch: entry.epoch });
    return entry;
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
  async #openFence(id: TenantId, { shardId: wanted, region }: NewTenant): Promise<string> {
    const away: string[] = [];
    for (;;) {
      const shardId = await this.#placement(away, wanted, region);
      try {
        await transact(this.databases.relay(shardId), 'write', null, (db) =>
          db.query('insert into tenant_fence (tenant_id, epoch) values ($1, 1)', [id]),
        );
        return shardId;
      } catch (error) {
        if (wanted !== undefined || !isAway(error) || away.length >= awayMax) throw error;
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

  /** Among the active shards, of the region where one is named; a shard that is named need not be active. */
  async #placement(away: readonly string[], wanted?: string, region?: string): Promise<string> {
    const shards = await this.#query<ShardLoad & { readonly region: string }>(loads, [away, wanted ?? null]);
    const fitting = shards.filter((shard) => region === undefined || shard.region === region);
    if (wanted !== undefined && shards.length > fitting.length)
      throw fail('tenant.region_mismatch', { internal: `${wanted} is not in ${region}` });
    const chosen = wanted ?? chooseShard(fitting);
    if (chosen === undefined)
      throw fail('shard.unavailable', { internal: noShard(region), retryAfterMs: noShardRetryAfterMs });
    return chosen;
  }

  async #load(sql: string, key: string): Promise<TenantEntry> {
    const heard = this.#newsHeard;
    const entry = await this.#find(sql, [key]);
    return heard === this.#newsHeard ? this.#keep(entry) : entry;
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

/** It does not answer, or this process does not serve it. */
const isAway = (error: unknown): boolean =>
  isAppError(error, 'database.unreachable') || isAppError(error, 'shard.unavailable');
