import { type Context, type Instant, toDate } from '#infra/kernel';
import { directoryName } from './databases.js';
import type { Sharding } from './sharding.js';

/** How often the load of shards is measured; each measurement counts as much as all that came before it. */
export const shardLoadEveryMs = 60_000;

/**
 * Measures every shard's size and commits, and keeps them in the directory, where placement and the plan to rebalance
 * find them. A shard that is away keeps what was known of it. How many were measured.
 */
export async function measureShardLoad(sharding: Sharding, ctx: Context, now: Instant): Promise<number> {
  const results = await sharding.eachShard(ctx, async ({ db }) => (await db.query<Measured>(measureShard))[0]);
  const seen = results.flatMap(({ database, value }) => (value ? [{ id: database, ...value }] : []));
  const [noted] = await sharding.eachShard(
    ctx,
    ({ db }) =>
      db.execute(noteLoad, [
        seen.map(({ id }) => id),
        seen.map(({ commits }) => commits),
        seen.map(({ bytes }) => bytes),
        toDate(now),
      ]),
    { only: directoryName },
  );
  if (noted?.error !== undefined) throw noted.error;
  return noted?.value ?? 0;
}

interface Measured {
  readonly commits: string;
  readonly bytes: string;
}

const measureShard = `
select xact_commit::text as commits, pg_database_size(current_database())::text as bytes
  from pg_stat_database where datname = current_database()`;

const rate = `((excluded.commits - l.commits) / extract(epoch from excluded.measured_at - l.measured_at)::float8)`;
/** No server commits as often: such a count is another one's, whose standby was promoted. */
const impossiblePerS = 100_000;
/** A count that went down is another server's, or was reset: what was known stays until the next one. */
const noteLoad = `
insert into shard_load as l (shard_id, commits, bytes, measured_at)
select m.id, m.commits, m.bytes, $4
  from unnest($1::text[], $2::bigint[], $3::bigint[]) as m (id, commits, bytes) join shard s on s.id = m.id
on conflict (shard_id) do update
  set commits = excluded.commits, bytes = excluded.bytes, measured_at = excluded.measured_at,
      tx_per_s = case
        when excluded.commits < l.commits or excluded.measured_at < l.measured_at + interval '1 second' then l.tx_per_s
        when ${rate} > ${impossiblePerS} then l.tx_per_s
        else (coalesce(l.tx_per_s, ${rate}) + ${rate}) / 2 end`;
