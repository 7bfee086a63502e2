import type { TenantId } from '#infra/kernel';
import { type CacheKey, isScope, scopes, tenantOf } from './key.js';

/** Forgettings of one tenant that are owed one by one; more are owed as all of that tenant. */
export const owedPerTenantMax = 100;
/** Forgettings of all tenants that are owed one by one; from there on each tenant is owed whole. */
export const owedMax = 10_000;

/**
 * What Redis has not heard of yet. Nothing is ever dropped: where it becomes too much, a tenant is forgotten whole, so that
 * there is one for each tenant that changed something meanwhile, and `owedMax` at most beside them.
 */
export class Owed {
  readonly #byTenant = new Map<TenantId, Map<string, number>>();
  #size = 0;
  #newest = 0;

  get size(): number {
    return this.#size;
  }

  /** To be taken before Redis is told. */
  get mark(): number {
    return this.#newest;
  }

  add(scope: string): void {
    this.#newest += 1;
    const tenantId = tenantOf(scope);
    const whole = scopes.ofTenant(tenantId);
    const own = this.#byTenant.get(tenantId) ?? new Map<string, number>();
    this.#byTenant.set(tenantId, own);
    const before = own.size;
    const isNew = !own.has(scope);
    if (own.has(whole) || scope === whole || (isNew && (own.size >= owedPerTenantMax || this.#size >= owedMax))) {
      own.clear();
      own.set(whole, this.#newest);
    } else own.set(scope, this.#newest);
    this.#size += own.size - before;
  }

  /** Redis has heard of it; where it was owed anew since the mark, it stays owed. */
  done(scope: string, mark: number): void {
    const tenantId = tenantOf(scope);
    const own = this.#byTenant.get(tenantId);
    if (own === undefined || (own.get(scope) ?? Number.POSITIVE_INFINITY) > mark) return;
    own.delete(scope);
    this.#size -= 1;
    if (own.size === 0) this.#byTenant.delete(tenantId);
  }

  /** While more than keys of a tenant is owed, nobody can tell which of its entries are concerned: their tags lie in Redis. */
  concerns({ text, tenantId }: CacheKey): boolean {
    const own = this.#byTenant.get(tenantId);
    return own !== undefined && (own.has(text) || [...own.keys()].some(isScope));
  }

  /** Those of now, in the order in which their tenants came. */
  list(): readonly string[] {
    return [...this.#byTenant.values()].flatMap((own) => [...own.keys()]);
  }
}
