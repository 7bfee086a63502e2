import type { Page, PageRequest } from '#infra/kernel';
import type { FannedOut, ShardOutcome } from './fan-out.js';

/** Where a list goes on in each database; one that is not named is read from its beginning. */
export type Positions<Key> = Readonly<Record<string, Position<Key>>>;
export type Position<Key> = { readonly after: Key } | 'ended';

export interface MergedPage<Item, Key> {
  readonly items: readonly Item[];
  /** Null where every database has ended; one that is away has not. */
  readonly next: Positions<Key> | null;
  readonly shards: readonly ShardOutcome[];
}

export interface MergeRequest<Key> {
  /** 1…1,000 */
  readonly limit: number;
  readonly positions: Positions<Key>;
}

export interface MergeParts<Item, Key> {
  readonly ids: readonly string[];
  readonly keyOf: (item: Item) => Key;
  /** Below 0 where `a` comes first. It must order every database's own page as that page is ordered. */
  readonly compare: (a: Key, b: Key) => number;
  /** Asks these databases for a page each, all of them of `limit` items. */
  readonly ask: (requests: ReadonlyMap<string, PageRequest<Key>>) => Promise<FannedOut<Page<Item, Key>>>;
}

/**
 * One page of a list that lies in several databases, in one order. A database that is away is named; its position stays
 * where it was, and the next page goes on from there: nothing is left out and nothing comes twice, however often that
 * happens. What it held back comes when it is there again, in order among the rest of that page.
 */
export async function mergedPage<Item, Key>(
  parts: MergeParts<Item, Key>,
  { limit, positions }: MergeRequest<Key>,
): Promise<MergedPage<Item, Key>> {
  const open = parts.ids.filter((id) => positions[id] !== 'ended');
  const requests = new Map(open.map((id) => [id, { limit, after: afterOf(positions[id]) }]));
  const { data, shards } = await parts.ask(requests);
  const heads = data.map(({ id, value }) => new Head(id, value));
  const items: Item[] = [];
  while (items.length < limit) {
    const first = firstOf(heads, parts);
    if (!first) break;
    items.push(first.take());
  }
  const next: Record<string, Position<Key>> = {};
  for (const id of parts.ids) {
    const position = heads.find((head) => head.id === id)?.position(parts.keyOf) ?? positions[id];
    if (position !== undefined) next[id] = position;
  }
  return { items, next: parts.ids.every((id) => next[id] === 'ended') ? null : next, shards };
}

const afterOf = <Key>(position: Position<Key> | undefined): Key | null =>
  position === undefined || position === 'ended' ? null : position.after;

/** Of at most 64 databases: looking at each one's next item is as quick as a heap. */
function firstOf<Item, Key>(
  heads: readonly Head<Item>[],
  { keyOf, compare }: Pick<MergeParts<Item, Key>, 'keyOf' | 'compare'>,
): Head<Item> | undefined {
  let first: Head<Item> | undefined;
  for (const head of heads) {
    if (head.item === undefined) continue;
    if (first?.item === undefined || compare(keyOf(head.item), keyOf(first.item)) < 0) first = head;
  }
  return first;
}

/** What one database answered, and how much of it was given out. */
class Head<Item> {
  #taken = 0;

  constructor(
    readonly id: string,
    private readonly page: Page<Item, unknown>,
  ) {}

  get item(): Item | undefined {
    return this.page.items[this.#taken];
  }

  take(): Item {
    const item = this.page.items[this.#taken];
    this.#taken += 1;
    return item as Item;
  }

  /** Undefined where nothing was given out: it stays where it was. */
  position<Key>(keyOf: (item: Item) => Key): Position<Key> | undefined {
    if (this.#taken === this.page.items.length && this.page.next === null) return 'ended';
    const last = this.page.items[this.#taken - 1];
    return last === undefined ? undefined : { after: keyOf(last) };
  }
}

/** A cursor for an operator: 64 positions of two values fit; it says nothing that its holder may not know. */
const cursorMaxChars = 16_384;

export const cursorOf = <Key>(positions: Positions<Key>): string =>
  Buffer.from(JSON.stringify(positions)).toString('base64url');

/** Null for what is no cursor; `isKey` looks at each position. */
export function positionsOf<Key>(cursor: string, isKey: (key: unknown) => key is Key): Positions<Key> | null {
  if (cursor.length > cursorMaxChars) return null;
  try {
    const read: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (typeof read !== 'object' || read === null || Array.isArray(read)) return null;
    const good = Object.values(read).every(
      (one) => one === 'ended' || isKey((one as { after?: unknown } | null)?.after),
    );
    return good ? (read as Positions<Key>) : null;
  } catch {
    return null;
  }
}
