import { newId, type TenantContext } from '#infra/kernel';
import type { ReadContext, ReadDb, TenantDatabase } from './db.js';

/** A question that the product asks often or of much, as its repository asks it. */
export interface HotQuery {
  /** `appointments.by_resource` */
  readonly name: string;
  /** Tenants' rows lie in their shard, or in the directory. */
  readonly place: 'shard' | 'directory';
  /** The route that lists by it, `GET /api/v1/appointments`: its order must be an index's. */
  readonly lists?: string;
  /** Selects one `id` of the tenant `$1` that the question is asked of. */
  readonly pick?: string;
  /** `id`: what `pick` found, else an id that nothing has. */
  readonly run: (tx: ReadContext, id: never) => Promise<unknown>;
}

/** Where a tenant's rows are read: `Sharding`. */
export interface TenantPlaces {
  readonly read: TenantDatabase['read'];
  readonly directory: Pick<TenantDatabase, 'read'>;
}

/** One line of PostgreSQL's own text after the other. */
export type QueryPlan = readonly string[];

/** What PostgreSQL's JSON says of one step. */
export interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Parent Relationship'?: string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly PlanNode[];
}

export interface PlanOptions {
  /** Runs the statements too, and says what that took. */
  readonly analyze?: boolean;
  /** Settings of the transaction, for tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * The plans of a hot query's statements as the application's role has them within the tenant, in a read-only transaction
 * on the primary. They are PostgreSQL's plans for any parameters: `$1` stands where a value would.
 */
export const plansOf = (
  sharding: TenantPlaces,
  ctx: TenantContext,
  query: HotQuery,
  { analyze = false, settings = {} }: PlanOptions = {},
): Promise<readonly QueryPlan[]> =>
  explained(sharding, ctx, query, settings, async (db, execute) => {
    const how = analyze ? 'analyze, buffers' : 'costs';
    return linesOf(await db.query<PlanLine>(`explain (${how}) ${execute}`));
  });

/** The same as a tree. */
export const planTreesOf = (
  sharding: TenantPlaces,
  ctx: TenantContext,
  query: HotQuery,
  { settings = {} }: Pick<PlanOptions, 'settings'> = {},
): Promise<readonly PlanNode[]> =>
  explained(sharding, ctx, query, settings, async (db, execute) => {
    const [row] = await db.query<{ readonly 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
      `explain (format json) ${execute}`,
    );
    if (!row) throw new RangeError('PostgreSQL explains every statement');
    return row['QUERY PLAN'][0].Plan;
  });

async function explained<T>(
  sharding: TenantPlaces,
  ctx: TenantContext,
  { place, pick, run }: HotQuery,
  settings: Readonly<Record<string, string>>,
  explain: (db: ReadDb, execute: string) => Promise<T>,
): Promise<readonly T[]> {
  const database = place === 'shard' ? sharding : sharding.directory;
  return database.read(ctx, async (tx) => {
    const [found] = pick === undefined ? [] : await tx.db.query<{ readonly id: string }>(pick, [ctx.tenant.id]);
    await tx.db.query(genericPlan);
    for (const [name, value] of Object.entries(settings))
      await tx.db.query('select set_config($1, $2, true)', [name, value]);
    const plans: T[] = [];
    const query = async (sql: string, parameters: readonly unknown[] = []): Promise<never[]> => {
      plans.push(await prepared(tx.db, sql, parameters, explain));
      return [];
    };
    await run({ ...tx, db: { query } }, (found?.id ?? newId()) as never);
    return plans;
  });
}

/** PostgreSQL's plan of a text with `$1` in it, for whatever stands there; it is not run. */
export async function planOfText(db: ReadDb, sql: string): Promise<QueryPlan> {
  const places = [...sql.matchAll(/\$(\d+)/g)].map(([, place]) => Number(place));
  const values = Array.from({ length: Math.max(0, ...places) }, () => null);
  await db.query(genericPlan);
  return prepared(db, sql, values, async (_, execute) => linesOf(await db.query<PlanLine>(`explain ${execute}`)));
}

const genericPlan = `select set_config('plan_cache_mode', 'force_generic_plan', true)`;

interface PlanLine {
  readonly 'QUERY PLAN': string;
}
const linesOf = (rows: readonly PlanLine[]): QueryPlan => rows.map((row) => row['QUERY PLAN']);

/** The name belongs to the connection, not to the transaction. */
async function prepared<T>(
  db: ReadDb,
  sql: string,
  parameters: readonly unknown[],
  explain: (db: ReadDb, execute: string) => Promise<T>,
): Promise<T> {
  const name = `explained_${newId().replaceAll('-', '')}`;
  await db.query(`prepare ${name} as ${sql}`);
  const values = parameters.length > 0 ? `(${parameters.map(literalOf).join(', ')})` : '';
  const told = await explain(db, `execute ${name}${values}`);
  await db.query(`deallocate ${name}`);
  return told;
}

function literalOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  const text = Array.isArray(value) ? `{${value.map(elementOf).join(',')}}` : textOf(value);
  return `'${text.replaceAll(`'`, `''`)}'`;
}

function textOf(value: unknown): string {
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  return value instanceof Date ? value.toISOString() : String(value);
}

const elementOf = (value: unknown): string =>
  value === null ? 'null' : `"${textOf(value).replaceAll(/["\\]/g, '\\$&')}"`;

/**
 * The steps between the answer and the table that gives its order: what is on the way sorts only where no index has the
 * order.
 */
export function orderSpine(root: PlanNode): readonly PlanNode[] {
  const spine = [root];
  for (let node = root.Plans?.find(leadsOn); node !== undefined; node = node.Plans?.find(leadsOn)) spine.push(node);
  return spine;
}

const leadsOn = (node: PlanNode): boolean =>
  node['Parent Relationship'] === 'Outer' || node['Parent Relationship'] === 'Subquery';
