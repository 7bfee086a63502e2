import type { TenantContext } from '#infra/kernel';
import { fail } from './cache.errors.js';
import type { Cache } from './cache.js';
import type { Load } from './loading.js';

/** As other systems call a cache. */
export interface CompanyOptions {
  readonly namespace: string;
  /** Seconds; 300 where it is left out. */
  readonly ttl?: number;
}

/**
 * `getOrSet(companyId, key, loader, {namespace, ttl})` for code that is brought along from elsewhere. The company must be
 * the context's tenant; what it keeps is no personal data.
 */
export class CompanyCache {
  constructor(
    private readonly cache: Cache,
    private readonly ctx: TenantContext,
  ) {}

  async getOrSet<T>(companyId: string, key: string, loader: Load<T>, { namespace, ttl }: CompanyOptions): Promise<T> {
    const options = { tags: () => [tagOf(namespace)], ...(ttl === undefined ? {} : { ttlS: ttl }) };
    return this.cache.getOrSet(this.#own(companyId), 'general', `${namespace}:${key}`, loader, options);
  }

  async invalidateNamespace(companyId: string, namespace: string): Promise<void> {
    return this.cache.forgetTag(this.#own(companyId), tagOf(namespace));
  }

  async invalidateCompany(companyId: string): Promise<void> {
    return this.cache.forgetTenant(this.#own(companyId));
  }

  #own(companyId: string): TenantContext {
    if (companyId !== this.ctx.tenant.id)
      throw fail('cache.key_invalid', { internal: 'a company other than the one of the context' });
    return this.ctx;
  }
}

const tagOf = (namespace: string): string => `namespace:${namespace}`;
