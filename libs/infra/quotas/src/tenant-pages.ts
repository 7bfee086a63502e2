import type { Clock, Context, TenantId } from '#infra/kernel';
import { directoryName, type Sharding } from '#infra/sharding';
import { QuotasRepository } from './quotas.repository.js';

const pageSize = 200;
/** Enough for two million tenants. */
const pagesMax = 10_000;

interface PagesParts {
  readonly sharding: Sharding;
  readonly clock: Clock;
}

/** All tenants, in the order of their ids, until the deadline of the context. */
export async function* tenantPages({ sharding, clock }: PagesParts, ctx: Context): AsyncGenerator<readonly TenantId[]> {
  const rows = new QuotasRepository();
  let after: TenantId | null = null;
  for (let page = 0; page < pagesMax && clock.now() < ctx.deadline; page += 1) {
    const last: TenantId | null = after;
    const [result] = await sharding.eachShard(ctx, (system) => rows.tenantsAfter(system, last, pageSize), {
      directory: true,
      only: directoryName,
    });
    if (result?.value === undefined) throw result?.error;
    const ids: readonly TenantId[] = result.value;
    yield ids;
    after = ids.at(-1) ?? null;
    if (ids.length < pageSize) return;
  }
}
