import type { Clock, Context } from '#infra/kernel';
import { type Databases, directoryName } from './databases.js';
import type { ReadDb } from './db.js';
import { type FannedOut, type FanOutOptions, fanOut, fanOutDefaults } from './fan-out.js';
import { judgeReplica } from './tenant-database.js';
import { type Statement, transact } from './transaction.js';

/** A reader inside one database, as role praxis_relay: rows of every tenant in the tables opened to it, and nothing to change. */
export interface SystemReadContext extends Context {
  readonly database: string;
  readonly db: ReadDb;
}

export interface FanOutReadOptions extends FanOutOptions {
  /** The directory too, before the shards. */
  readonly directory?: boolean;
  /** Those of the databases that are meant; all unless said otherwise. */
  readonly only?: readonly string[];
}

/**
 * One read-only transaction on each shard, for operators and analytics: on a replica where one is in rotation, so up to
 * 5 s old, else on the primary. No database gets more time than the Context has left.
 */
export function readEachDatabase<T>(
  { databases, clock }: { readonly databases: Databases; readonly clock: Clock },
  ctx: Context,
  fn: (system: SystemReadContext) => Promise<T>,
  { directory = false, only, ...options }: FanOutReadOptions = {},
): Promise<FannedOut<T>> {
  const all = [...(directory ? [directoryName] : []), ...databases.shardIds];
  const leftMs = Math.max(1, Math.ceil(ctx.deadline - clock.now()));
  const timeoutMs = Math.min(options.timeoutMs ?? fanOutDefaults.timeoutMs, leftMs);
  return fanOut(
    only === undefined ? all : all.filter((id) => only.includes(id)),
    (database) => readOne(databases, database, timeoutMs, (db) => fn({ ...ctx, database, db })),
    { ...options, timeoutMs },
  );
}

async function readOne<T>(
  databases: Databases,
  database: string,
  timeoutMs: number,
  fn: (db: ReadDb) => Promise<T>,
): Promise<T> {
  const set = database === directoryName ? databases.directory : databases.shard(database);
  const answered = await set.onReplica(
    async (replica) => (await transact(databases.relayOn(database, replica), 'read', within(timeoutMs), fn)).value,
    judgeReplica,
  );
  return answered ? answered.value : (await transact(databases.relay(database), 'read', within(timeoutMs), fn)).value;
}

const within = (timeoutMs: number): Statement => ({
  sql: `select set_config('statement_timeout', $1, true)`,
  parameters: [String(timeoutMs)],
});
