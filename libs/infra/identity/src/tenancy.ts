import { type Context, isAppError, type TenantContext, type TenantId } from '#infra/kernel';
import type { Sharding, TenantEntry } from '#infra/sharding';
import { fail } from './identity.errors.js';

type Tenants = Pick<Sharding, 'tenants'>;

/** The tenant of that slug, or null. */
export const tenantBySlug = ({ tenants }: Tenants, slug: string): Promise<TenantEntry | null> =>
  orNull(tenants.bySlug(slug));

/** The tenant that a token of ours names, or null where it exists no more. */
export const tenantById = ({ tenants }: Tenants, id: TenantId): Promise<TenantEntry | null> => orNull(tenants.byId(id));

/** The same request inside a tenant; refused where the tenant is suspended. */
export function inTenant<C extends Context>(ctx: C, { id, plan, state }: TenantEntry): C & TenantContext {
  if (state === 'suspended') throw fail('tenant.suspended');
  return { ...ctx, tenant: { id, plan } };
}

async function orNull(found: Promise<TenantEntry>): Promise<TenantEntry | null> {
  try {
    return await found;
  } catch (error) {
    if (isAppError(error, 'tenant.not_found')) return null;
    throw error;
  }
}
