import { text } from 'node:stream/consumers';
import { Users } from '#infra/identity';
import type { Plan } from '#infra/kernel';
import { Sharding } from '#infra/sharding';
import { operatorContext, withProduct } from '../../apps/cli/src/product.js';

/** What this program reads from stdin. */
export interface CompaniesOrder {
  readonly password: string;
  readonly companies: readonly { readonly slug: string; readonly plan: Plan }[];
}

/** Hashing passwords takes a processor each. */
const atOnce = 2;

/** Tenants with their owners, as `praxis tenants create` makes each of them, in one process. */
const { password, companies } = JSON.parse(await text(process.stdin)) as CompaniesOrder;
await withProduct(async (product) => {
  const left = [...companies];
  const line = async () => {
    for (let company = left.pop(); company !== undefined; company = left.pop()) {
      const { slug, plan } = company;
      const tenant = await product.get(Sharding).tenants.create({ slug, name: slug, plan });
      const owner = { email: `owner@${slug}.example`, displayName: 'Owner', password };
      await product.get(Users).createOwner(operatorContext(tenant, 'tenants create'), owner);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, line));
});
