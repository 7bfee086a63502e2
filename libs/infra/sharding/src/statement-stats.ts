import type { NodePool } from '#infra/replicas';
import { type Databases, directoryName } from './databases.js';
import { type FannedOut, fanOut } from './fan-out.js';
import { planOfText } from './query-plans.js';
import { fail } from './sharding.errors.js';
import { transact } from './transaction.js';

/** One of the product's statements as PostgreSQL has counted it, since the server began to count. */
export interface StatementStats {
  /** PostgreSQL's own, the same in its log. */
  readonly fingerprint: string;
  /** With `$1` wherever there was a value. */
  readonly text: string;
  readonly calls: number;
  readonly rows: number;
  readonly totalMs: number;
  readonly meanMs: number;
  readonly maxMs: number;
  /** Share of the pages that it read which were in PostgreSQL's memory; null where it read none. */
  readonly hitRatio: number | null;
}

export const statementOrders = ['total', 'mean', 'max'] as const;
export type StatementOrder = (typeof statementOrders)[number];

export const statementsMax = 20;
const textMaxChars = 2_000;
const timeoutMs = 2_000;

/** Nothing that is not loaded at the server's start counts statements; the view says so when it is asked. */
const notLoaded = '55000';

/** One server of a database: `shard-1`, `shard-1 replica-1`. */
export type ServerName = string;

/**
 * The statements of the product's own roles that took longest, at most 20 of each server, as it has counted them. Texts
 * only, never values: what the product is asked travels in parameters, and PostgreSQL takes constants out.
 */
export function slowStatements(
  databases: Databases,
  order: StatementOrder,
): Promise<FannedOut<readonly StatementStats[]>> {
  const servers = serversOf(databases);
  return fanOut([...servers.keys()], (name) => statementsOn(poolOf(servers, name), name, order), { timeoutMs });
}

/** The application's role on primaries, the read-only one on replicas: each is shown its own statements. */
function serversOf(databases: Databases): ReadonlyMap<ServerName, NodePool> {
  const sets = [directoryName, ...databases.shardIds].map((name) => [name, databases.setOf(name)] as const);
  return new Map(
    sets.flatMap(([name, { primary, replicas }]) => [
      [name, primary] as const,
      ...replicas.map((pool, n) => [`${name} replica-${n + 1}`, pool] as const),
    ]),
  );
}

function poolOf(servers: ReadonlyMap<ServerName, NodePool>, name: ServerName): NodePool {
  const pool = servers.get(name);
  if (!pool) throw fail('statements.unknown', { internal: `there is no ${name}` });
  return pool;
}

async function statementsOn(
  pool: NodePool,
  name: ServerName,
  order: StatementOrder,
): Promise<readonly StatementStats[]> {
  const { value } = await transact(pool, 'read', null, async (db) => {
    const [there] = await db.query<{ there: boolean }>(
      `select to_regclass('statements.pg_stat_statements') is not null as there`,
    );
    if (there?.there !== true) throw fail('statements.not_installed', { internal: name });
    return db.query<StatementStats>(texts[order]);
  }).catch((error: unknown) => {
    throw (error as { code?: unknown }).code === notLoaded
      ? fail('statements.not_loaded', { internal: name, cause: error })
      : error;
  });
  return value;
}

const ownStatements = (orderedBy: string) => `
select queryid::text as fingerprint, left(regexp_replace(query, '\\s+', ' ', 'g'), ${textMaxChars}) as text,
       calls::float8 as calls, rows::float8 as rows, total_exec_time as "totalMs", mean_exec_time as "meanMs",
       max_exec_time as "maxMs", shared_blks_hit / nullif(shared_blks_hit + shared_blks_read, 0)::float8 as "hitRatio"
  from statements.pg_stat_statements
 where dbid = (select oid from pg_database where datname = current_database())
   and userid = (select oid from pg_roles where rolname = current_user)
   and query ~* '^\\s*(select|insert|update|delete|merge|with)\\y' and query !~ 'pg_stat_statements'
 order by ${orderedBy} desc, queryid limit ${statementsMax}`;

const texts: Readonly<Record<StatementOrder, string>> = {
  total: ownStatements('total_exec_time'),
  mean: ownStatements('mean_exec_time'),
  max: ownStatements('max_exec_time'),
};

const fingerprintPattern = /^-?\d{1,20}$/;

/**
 * How PostgreSQL would run one of the application's own statements, named by its fingerprint, whatever its parameters. It
 * is not run. Throws statements.unknown, and statements.not_explained where the text cannot be planned without its constants.
 */
export async function planOfStatement(
  databases: Databases,
  name: ServerName,
  fingerprint: string,
): Promise<readonly string[]> {
  if (!fingerprintPattern.test(fingerprint) || BigInt.asIntN(64, BigInt(fingerprint)) !== BigInt(fingerprint))
    throw fail('statements.unknown');
  const pool = poolOf(serversOf(databases), name);
  const { value } = await transact(pool, 'read', null, async (db) => {
    const [found] = await db.query<{ text: string }>(ownText, [fingerprint]);
    if (!found) throw fail('statements.unknown');
    return planOfText(db, found.text);
  }).catch((error: unknown) => {
    throw refusalOf(error);
  });
  return value;
}

/** What a constant was taken from is no statement any more, or nothing says what type it had. */
const notExplained: ReadonlySet<unknown> = new Set(['42601', '42P18', '42P02', '42804', '42883']);

function refusalOf(error: unknown): unknown {
  const { code } = error as { readonly code?: unknown };
  if (code === notLoaded || code === '42P01') return fail('statements.not_loaded', { cause: error });
  return notExplained.has(code) ? fail('statements.not_explained', { cause: error }) : error;
}

const ownText = `
select query as text from statements.pg_stat_statements
 where dbid = (select oid from pg_database where datname = current_database())
   and userid = (select oid from pg_roles where rolname = current_user) and queryid = $1::bigint
   and query ~* '^\\s*(select|insert|update|delete|merge|with)\\y' limit 1`;
