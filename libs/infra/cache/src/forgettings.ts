import { LRUCache } from 'lru-cache';

/** Scopes that were forgotten lately; when one leaves, everything older than its forgetting counts as forgotten. */
export const rememberedMax = 10_000;

/**
 * In which order this process heard what was forgotten. `mark` is taken before a reading begins; what was read since is
 * intact where none of its scopes was forgotten after the mark. Forgetting costs the same however much it concerns.
 */
export class Forgettings {
  #newest = 0;
  #floor = 0;
  readonly #byScope = new LRUCache<string, number>({
    max: rememberedMax,
    dispose: (n, _scope, reason) => {
      if (reason === 'evict') this.#floor = Math.max(this.#floor, n);
    },
  });

  get mark(): number {
    return this.#newest;
  }

  /** `within`: something that the scope is part of, for `intact` of those who do not know all their scopes yet. */
  forget(scope: string, within: string): void {
    this.#newest += 1;
    this.#byScope.set(scope, this.#newest);
    this.#byScope.set(within, this.#newest);
  }

  intact(scopes: readonly string[], mark: number): boolean {
    if (mark === this.#newest) return true;
    return mark >= this.#floor && scopes.every((scope) => (this.#byScope.get(scope) ?? 0) <= mark);
  }
}
