import type { Tenant, TenantId } from '#infra/kernel';

/**
 * The newest number of a tenant, asked for once by all who want to know at the same time. An answer is never older than
 * the question: who comes while one is on its way shares the next.
 */
export class NewestNumbers {
  readonly #asked = new Map<TenantId, Promise<number>>();
  readonly #next = new Map<TenantId, Promise<number>>();

  constructor(private readonly ask: (tenant: Tenant) => Promise<number>) {}

  of(tenant: Tenant): Promise<number> {
    const asked = this.#asked.get(tenant.id);
    if (asked === undefined) return this.#start(tenant);
    return this.#next.get(tenant.id) ?? this.#startAfter(asked, tenant);
  }

  #startAfter(asked: Promise<number>, tenant: Tenant): Promise<number> {
    const again = () => {
      this.#next.delete(tenant.id);
      return this.#start(tenant);
    };
    const next = asked.then(again, again);
    this.#next.set(tenant.id, next);
    return next;
  }

  #start(tenant: Tenant): Promise<number> {
    const asked = this.ask(tenant).finally(() => this.#asked.delete(tenant.id));
    this.#asked.set(tenant.id, asked);
    return asked;
  }
}
