import { Injectable } from '@nestjs/common';
import type { Audit } from '#infra/audit';
import type { Context, TenantContext } from '#infra/kernel';
import type { Sharding, TenantEntry } from '#infra/sharding';
import type { Limit, QuotaResource } from './quota.js';

interface Parts {
  readonly sharding: Sharding;
  readonly audit: Audit;
}

/** Limits of a tenant's own, before those of its plan. Whatever exists stays, however much it is. For operators. */
@Injectable()
export class QuotaOverrides {
  constructor(private readonly parts: Parts) {}

  /** Null for no limit, `plan` for that of its plan. Throws tenant.not_found. */
  async set(ctx: Context, slug: string, resource: QuotaResource, limit: Limit | 'plan'): Promise<TenantEntry> {
    const { sharding, audit } = this.parts;
    const { id, plan } = await sharding.tenants.bySlug(slug);
    const inside: TenantContext = { ...ctx, tenant: { id, plan } };
    const event = { action: 'tenant.change_quota', resourceType: 'tenant', resourceId: id, fields: [resource] };
    // First, because the change is in no tenant's transaction: one that nobody recorded does not happen.
    await sharding.directory.write(inside, (tx) => audit.record(tx, event));
    return sharding.tenants.changeQuota(id, resource, limit);
  }
}
