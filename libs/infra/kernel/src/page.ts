/** One page of a keyset-ordered list; `next` is null on the last page. */
export interface Page<Item, Key> {
  readonly items: readonly Item[];
  /** Keyset of the last item, to be sealed into a cursor by the edge. */
  readonly next: Key | null;
}

export interface PageRequest<Key> {
  /** 1…1,000 */
  readonly limit: number;
  readonly after: Key | null;
  /** Rows to pass over after that: pages by number. 0…10,000; none unless said. */
  readonly skip?: number;
}

/** Repositories fetch `limit + 1` rows; this cuts the spare one off and turns it into `next`. */
export function pageOf<Item, Key>(rows: readonly Item[], limit: number, keyOf: (item: Item) => Key): Page<Item, Key> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last !== undefined ? keyOf(last) : null };
}
