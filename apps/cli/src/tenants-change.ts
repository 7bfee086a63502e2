import { plans } from '#infra/kernel';
import { Sharding, type TenantEntry, type Tenants } from '#infra/sharding';
import { type Command, UsageError } from './command.js';
import { withProduct } from './product.js';

export const tenantsPlanCommand: Command = {
  words: 'tenants plan',
  usage: 'tenants plan TENANT PLAN',
  summary: 'what a tenant may use from now on; every process knows it within a moment, a minute without Redis',
  async run(args) {
    const [tenant, wanted] = exactly(args, 2);
    const plan = plans.find((known) => known === wanted);
    if (plan === undefined) throw new UsageError(`the plan must be one of ${plans.join(', ')}`);
    await change(tenant, (tenants, { id }) => tenants.changePlan(id, plan));
  },
};

export const tenantsSuspendCommand: Command = {
  words: 'tenants suspend',
  usage: 'tenants suspend TENANT',
  summary: 'nobody of the tenant gets in any more; its data stays as it is',
  async run(args) {
    const [tenant] = exactly(args, 1);
    await change(tenant, (tenants, { id }) => tenants.suspend(id));
  },
};

export const tenantsResumeCommand: Command = {
  words: 'tenants resume',
  usage: 'tenants resume TENANT',
  summary: 'the end of a suspension',
  async run(args) {
    const [tenant] = exactly(args, 1);
    await change(tenant, (tenants, { id }) => tenants.resume(id));
  },
};

/** By short name. */
async function change(slug: string, apply: (tenants: Tenants, tenant: TenantEntry) => Promise<TenantEntry>) {
  await withProduct(async (product) => {
    const { tenants } = product.get(Sharding);
    const { id, plan, state } = await apply(tenants, await tenants.bySlug(slug));
    console.log(JSON.stringify({ tenantId: id, slug, plan, state }));
  });
}

function exactly(args: readonly string[], count: 1 | 2): readonly [string, string] {
  const [first, second = ''] = args;
  if (first === undefined || args.length !== count)
    throw new UsageError(
      count === 1 ? 'exactly one tenant, by its short name' : 'a tenant by its short name, and a plan',
    );
  return [first, second];
}
