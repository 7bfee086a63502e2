/** A place in a line; whoever has it may give it up at any time. */
export interface Place<Item> {
  readonly item: Item;
  /** On the caller's monotonic clock. */
  readonly sinceMs: number;
}

interface Node<Item> extends Place<Item> {
  older: Node<Item> | undefined;
  newer: Node<Item> | undefined;
  line: WaitingLine<Item> | undefined;
}

/** A line that is left at either end, or from its middle, at the same small cost. */
export class WaitingLine<Item> {
  #oldest: Node<Item> | undefined;
  #newest: Node<Item> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get oldest(): Place<Item> | undefined {
    return this.#oldest;
  }

  join(item: Item, sinceMs: number): Place<Item> {
    const node: Node<Item> = { item, sinceMs, older: this.#newest, newer: undefined, line: this };
    if (this.#newest) this.#newest.newer = node;
    else this.#oldest = node;
    this.#newest = node;
    this.#length += 1;
    return node;
  }

  takeOldest(): Place<Item> | undefined {
    return this.#take(this.#oldest);
  }

  takeNewest(): Place<Item> | undefined {
    return this.#take(this.#newest);
  }

  /** False when the place was taken or given up before. */
  giveUp(place: Place<Item>): boolean {
    return this.#take(place as Node<Item>) !== undefined;
  }

  #take(node: Node<Item> | undefined): Place<Item> | undefined {
    if (node?.line !== this) return undefined;
    if (node.older) node.older.newer = node.newer;
    else this.#oldest = node.newer;
    if (node.newer) node.newer.older = node.older;
    else this.#newest = node.older;
    node.older = node.newer = node.line = undefined;
    this.#length -= 1;
    return node;
  }
}
