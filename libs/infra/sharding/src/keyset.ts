import { type Page, type PageRequest, pageOf, type Total } from '#infra/kernel';
import type { ReadDb } from './db.js';

/** The order of a list, which an index has: no two rows of the list are alike in all its columns. */
export interface Keyset<Row, Key> {
  /** As SQL: `a.start_min`, `a.id`. */
  readonly columns: readonly [string, ...string[]];
  /** All columns the same way. */
  readonly descending?: boolean;
  readonly keyOf: (row: Row) => Key;
  /** One for each column. */
  readonly valuesOf: (key: Key) => readonly unknown[];
}

/** What is listed: a select to the end of its conditions, where `and …` may follow, and its values from $1 on. */
export interface Listing {
  readonly select: string;
  readonly values: readonly unknown[];
}

/** A list is counted to here; what is longer is estimated. */
export const countedRowsMax = 100_000;

/** One page of a list, from either end of it, and how long the list is where that was asked. One statement a page. */
export async function listed<Row, Key>(
  db: ReadDb,
  listing: Listing,
  keyset: Keyset<Row, Key>,
  page: PageRequest<Key>,
): Promise<Page<Row, Key>> {
  const { text, values } = applyKeyset(listing, keyset, page);
  const [rows, total] = await Promise.all([db.query<Row>(text, values), page.counted ? totalOf(db, listing) : null]);
  // All that stood before that place is gone by now: the list begins there.
  if (page.before != null && rows.length === 0) return listed(db, listing, keyset, { ...page, before: null });
  return { ...pageOf(rows, page, keyset.keyOf), ...(total ? { total } : {}) };
}

/** The statement of a page, for one row more than it has; rows of a page `before` a key come in reverse. */
export function applyKeyset<Row, Key>(
  { select, values }: Listing,
  { columns, descending = false, valuesOf }: Keyset<Row, Key>,
  { limit, after, before = null, skip = 0 }: PageRequest<Key>,
): { readonly text: string; readonly values: readonly unknown[] } {
  const key = before ?? after;
  const places = key === null ? [] : valuesOf(key);
  const falling = descending !== (before !== null);
  const parameter = (nth: number) => `$${values.length + nth + 1}`;
  const row = columns.join(', ');
  const from =
    key === null ? '' : ` and (${row}) ${falling ? '<' : '>'} (${places.map((_, nth) => parameter(nth)).join(', ')})`;
  const order = columns.map((column) => (falling ? `${column} desc` : column)).join(', ');
  const span = `limit ${parameter(places.length)} offset ${parameter(places.length + 1)}`;
  return { text: `${select}${from} order by ${order} ${span}`, values: [...values, ...places, limit + 1, skip] };
}

/** Counted in the tenant's own transaction; the estimate is the planner's for this tenant's rows and these filters. */
async function totalOf(db: ReadDb, { select, values }: Listing): Promise<Total> {
  const [counted] = await db.query<{ readonly rows: number }>(
    `select count(*)::int as rows from (${select} limit ${countedRowsMax + 1}) as counted`,
    values,
  );
  const rows = counted?.rows ?? 0;
  if (rows <= countedRowsMax) return { rows, isEstimate: false };
  const [explained] = await db.query<Explained>(`explain (format json) ${select}`, values);
  return { rows: Math.max(rows, explained?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0), isEstimate: true };
}

interface Explained {
  readonly 'QUERY PLAN': readonly [{ readonly Plan: { readonly 'Plan Rows': number } }];
}
