/** One page of a keyset-ordered list. */
export interface Page<Item, Key> {
  readonly items: readonly Item[];
  /** Key of the last item, where more may follow it: null on the last page. */
  readonly next: Key | null;
  /** Key of the first item, where something may stand before it: null on the first page. */
  readonly previous: Key | null;
  /** Only where the request asked for it. */
  readonly total?: Total;
}

/** How many rows a list has. */
export interface Total {
  readonly rows: number;
  /** Whether that is the planner's guess: it counts to 100,000. */
  readonly isEstimate: boolean;
}

export interface PageRequest<Key> {
  /** 1…1,000 */
  readonly limit: number;
  /** Null: from the beginning. */
  readonly after: Key | null;
  /** The page that ends right before this key; goes without `after`. */
  readonly before?: Key | null;
  /** Rows to pass over: pages by number. 0…10,000; none unless said. */
  readonly skip?: number;
  /** Whether the whole list is counted too. */
  readonly counted?: boolean;
}

/**
 * Repositories fetch `limit + 1` rows, for a page `before` a key in reverse; this cuts the spare one off, puts the others
 * in the list's order and tells by it whether there is more.
 */
export function pageOf<Item, Key>(
  rows: readonly Item[],
  { limit, after, before = null, skip = 0 }: PageRequest<Key>,
  keyOf: (item: Item) => Key,
): Page<Item, Key> {
  const more = rows.length > limit;
  const kept = rows.slice(0, limit);
  const items = before === null ? kept : kept.reverse();
  const [first, last] = [items[0], items.at(-1)];
  const precedes = before === null ? after !== null || skip > 0 : more;
  return {
    items,
    next: last !== undefined && (more || before !== null) ? keyOf(last) : null,
    previous: first !== undefined && precedes ? keyOf(first) : null,
  };
}
