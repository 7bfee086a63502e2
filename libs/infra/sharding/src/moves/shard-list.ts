import type { Instant } from '#infra/kernel';
import type { MovableShard, MoverOptions, MoveStep } from './move.js';
import { fail } from './moves.errors.js';
import { type PlacedTenant, type PlannedShard, planRebalance, type RebalancePlan } from './rebalance.js';
import { Session } from './session.js';
import { schemaVersionOf, tablesOf } from './tenant-tables.js';

export interface ReplicaStatus {
  readonly name: string;
  /** Bytes of the primary's log that it has not replayed; null where it cannot be asked. */
  readonly lagBytes: number | null;
}

export interface ShardStatus extends PlannedShard {
  readonly tenants: number;
  /** Why it cannot be asked; the rest is null then. */
  readonly error: string | null;
  readonly schemaVersion: string | null;
  readonly bytes: number | null;
  readonly connections: number | null;
  readonly connectionsMax: number | null;
  readonly replicas: readonly ReplicaStatus[];
}

export interface MoveStatus {
  readonly tenant: string;
  readonly source: string;
  readonly target: string;
  readonly step: MoveStep;
  readonly rows: number | null;
  readonly rowsCopied: number;
  readonly lagBytes: number | null;
  readonly pauseMs: number | null;
  readonly error: string | null;
  readonly heartbeatAt: Instant;
}

export interface Installation {
  readonly shards: readonly ShardStatus[];
  readonly moves: readonly MoveStatus[];
}

const statesOfShards = `
select s.id, s.state, s.weight, s.region, l.tx_per_s as "txPerS",
       (select count(*)::int from tenant t where t.shard_id = s.id) as tenants
  from shard s left join shard_load l on l.shard_id = s.id order by length(s.id), s.id`;
const movesUnderWay = `
select t.slug as tenant, m.source, m.target, m.step, m.rows::float8 as rows, m.rows_copied::float8 as "rowsCopied",
       m.lag_bytes::float8 as "lagBytes", m.pause_ms as "pauseMs", m.error,
       extract(epoch from m.heartbeat_at)::float8 * 1000 as "heartbeatAt"
  from tenant_move m join tenant t on t.id = m.tenant_id where m.ended_at is null order by m.started_at`;

/** Every shard as it answers now, and the moves that have not ended. A shard that is away stops nobody. */
export const installationOf = (options: MoverOptions): Promise<Installation> =>
  inDirectory(options, async (directory) => {
    const known = await directory.query<PlannedShard & { readonly tenants: number }>(statesOfShards);
    const shards = await Promise.all(known.map(async (row) => ({ ...row, ...(await measured(options, row.id)) })));
    return { shards, moves: await directory.query<MoveStatus>(movesUnderWay) };
  });

/** New tenants go there, or no longer do; those that it has stay. A new shard must be configured, reachable and migrated. */
export const setShardState = (
  options: MoverOptions,
  id: string,
  wanted: { readonly state: 'active' | 'draining'; readonly weight?: number; readonly region?: string },
): Promise<void> =>
  inDirectory(options, async (directory) => {
    if (wanted.state === 'active') await expectReady(options, directory, id);
    const changed = await directory.execute(
      wanted.state === 'active'
        ? `insert into shard (id, state, weight, region) values ($1, $2, coalesce($3, 100), coalesce($4, 'default'))
           on conflict (id) do update set state = $2, weight = coalesce($3, shard.weight), region = coalesce($4, shard.region)`
        : `update shard set state = $2, weight = coalesce($3, weight), region = coalesce($4, region) where id = $1`,
      [id, wanted.state, wanted.weight ?? null, wanted.region ?? null],
    );
    if (changed !== 1) throw fail('move.refused', { internal: `the directory knows no ${id}` });
  });

/** More rows of this table than this on a busy shard, and a tenant is named. */
export interface Crowding {
  readonly table: string;
  readonly rowsMax: number;
}

/** What should live elsewhere; reads every tenant's rows once, and changes nothing. */
export const rebalancePlan = (options: MoverOptions, crowding?: Crowding): Promise<RebalancePlan> =>
  inDirectory(options, async (directory) => {
    const shards = await directory.query<PlannedShard>(statesOfShards);
    const tenants = await directory.query<Pick<PlacedTenant, 'id' | 'slug' | 'shardId'>>(
      'select id, slug, shard_id as "shardId" from tenant where moving_to is null',
    );
    const found = new Map<string, Found>();
    for (const shard of options.shards)
      for (const [key, one] of await tenantsOn(options, shard, crowding?.table)) found.set(key, one);
    const placed = tenants.map((tenant) => ({
      ...tenant,
      ...(found.get(`${tenant.shardId} ${tenant.id}`) ?? nothing),
    }));
    return planRebalance(shards, placed, crowding?.rowsMax);
  });

async function inDirectory<T>(options: MoverOptions, work: (directory: Session) => Promise<T>): Promise<T> {
  const directory = await Session.open(options.directory, options);
  try {
    return await work(directory);
  } finally {
    await directory.close();
  }
}

async function inShard<T>(
  options: MoverOptions,
  shard: MovableShard,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await Session.open(shard, options);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

type Measured = Omit<ShardStatus, keyof PlannedShard | 'tenants'>;
const unmeasured = { schemaVersion: null, bytes: null, connections: null, connectionsMax: null, replicas: [] };

async function measured(options: MoverOptions, id: string): Promise<Measured> {
  const shard = options.shards.find(({ name }) => name === id);
  if (!shard) return { error: 'its address is not configured here', ...unmeasured };
  try {
    return await inShard(options, shard, async (session) => {
      const schemaVersion = await schemaVersionOf(session);
      const row = await session.one<{ bytes: number; connections: number; max: number; position: string }>(
        `select pg_database_size(current_database())::float8 as bytes, current_setting('max_connections')::int as max,
                (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as connections,
                pg_current_wal_flush_lsn()::text as position`,
      );
      const replicas = await Promise.all(
        shard.replicas.map((url, n) => replicaStatus(`replica-${n + 1}`, url.reveal(), row.position)),
      );
      const { bytes, connections, max: connectionsMax } = row;
      return { error: null, schemaVersion, bytes, connections, connectionsMax, replicas };
    });
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error), ...unmeasured };
  }
}

async function replicaStatus(name: string, address: string, position: string): Promise<ReplicaStatus> {
  try {
    const session = await Session.openAs(address);
    try {
      const { lag } = await session.one<{ lag: number }>(
        'select greatest(0, pg_wal_lsn_diff($1::pg_lsn, pg_last_wal_replay_lsn()))::float8 as lag',
        [position],
      );
      return { name, lagBytes: lag };
    } finally {
      await session.close();
    }
  } catch {
    return { name, lagBytes: null };
  }
}

async function expectReady(options: MoverOptions, directory: Session, id: string): Promise<void> {
  const { error, schemaVersion } = await measured(options, id);
  if (error !== null) throw fail('move.refused', { internal: `${id}: ${error}` });
  const row = await directory.one<{ version: string | null }>(
    `select max(substring(migration from '\\d{13}$')) as version from schema_version where database like 'shard-%' and state = 'done'`,
  );
  if (schemaVersion !== row.version)
    throw fail('move.refused', {
      internal: `${id} is at ${schemaVersion}, the others at ${row.version}: run \`praxis migrate\``,
    });
}

interface Found {
  bytes: number;
  events: number;
  crowd: number;
}
const nothing: Found = { bytes: 0, events: 0, crowd: 0 };
const lookBackMs = 86_400_000;

/** About how many bytes of rows each tenant has on a shard, and how much it did within a day, by `shard tenant`. */
async function tenantsOn(
  options: MoverOptions,
  shard: MovableShard,
  crowdTable: string | undefined,
): Promise<ReadonlyMap<string, Found>> {
  return inShard(options, shard, async (session) => {
    const found = new Map<string, Found>();
    const note = (id: string, more: Partial<Found>): void => {
      const key = `${shard.name} ${id}`;
      const { bytes, events, crowd } = found.get(key) ?? nothing;
      const { bytes: moreBytes = 0, events: moreEvents = 0, crowd: moreCrowd = 0 } = more;
      found.set(key, { bytes: bytes + moreBytes, events: events + moreEvents, crowd: crowd + moreCrowd });
    };
    for (const { name } of await tablesOf(session)) {
      const rows = await session.query<{ id: string; bytes: number; rows: number }>(
        `select tenant_id as id, sum(pg_column_size(t.*))::float8 as bytes, count(*)::float8 as rows
           from ${session.identifier(name)} t group by tenant_id`,
      );
      for (const { id, bytes, rows: crowd } of rows) note(id, name === crowdTable ? { bytes, crowd } : { bytes });
    }
    const since = lowestIdAt(options.clock.now() - lookBackMs);
    const active = await session.query<{ id: string; events: number }>(
      'select tenant_id as id, count(*)::float8 as events from audit_event where id >= $1 group by tenant_id',
      [since],
    );
    for (const { id, events } of active) note(id, { events });
    return found;
  });
}

/** Ids are UUIDv7: they begin with their instant. */
function lowestIdAt(at: Instant): string {
  const hex = at.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}
