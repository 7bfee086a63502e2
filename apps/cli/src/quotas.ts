import {
  type Limit,
  QuotaOverrides,
  QuotaRecount,
  type QuotaResource,
  QuotaStatus,
  quotaResources,
} from '#infra/quotas';
import { Sharding } from '#infra/sharding';
import { type Command, UsageError } from './command.js';
import { operatorContext, withProduct } from './product.js';

/** One line for each resource; with --recount, after counting what there is. */
export const quotasCommand: Command = {
  words: 'quotas',
  usage: 'quotas TENANT [--recount]',
  summary: 'how much of its plan a tenant uses; --recount counts anew, and mends and tells what was reckoned wrong',
  async run(args) {
    const isRecount = args.includes('--recount');
    const words = args.filter((arg) => arg !== '--recount');
    const [slug = ''] = expectWords(words, 1);
    await withProduct(async (product) => {
      const entry = await product.get(Sharding).tenants.bySlug(slug);
      const ctx = operatorContext(entry, 'quotas');
      if (isRecount) console.log(JSON.stringify({ mended: await product.get(QuotaRecount).tenant(ctx, entry.id) }));
      const { plan, resources } = await product.get(QuotaStatus).read(ctx);
      for (const { resource, used, limit, percent } of resources) {
        const part = percent === null ? '' : `  ${percent} %`;
        console.log(`${plan}  ${resource}  ${used} of ${limit ?? 'any number'}${part}`);
      }
    });
  },
};

export const tenantsQuotaCommand: Command = {
  words: 'tenants quota',
  usage: 'tenants quota TENANT RESOURCE NUMBER|none|plan',
  summary: 'a limit of the tenant’s own: so many, no limit, or what its plan says',
  async run(args) {
    const [slug = '', named, text = ''] = expectWords(args, 3);
    const resource = quotaResources.find((known) => known === named);
    if (resource === undefined) throw new UsageError(`RESOURCE must be one of ${quotaResources.join(', ')}`);
    await setLimit(slug, resource, limitOf(text));
  },
};

const setLimit = (slug: string, resource: QuotaResource, limit: Limit | 'plan'): Promise<void> =>
  withProduct(async (product) => {
    const ctx = operatorContext(await product.get(Sharding).tenants.bySlug(slug), 'tenants quota');
    const { id, quotaOverrides } = await product.get(QuotaOverrides).set(ctx, slug, resource, limit);
    console.log(JSON.stringify({ tenantId: id, slug, quotaOverrides }));
  });

function limitOf(text: string): Limit | 'plan' {
  if (text === 'plan') return text;
  if (text === 'none') return null;
  if (!/^[0-9]{1,15}$/.test(text)) throw new UsageError('a number, none or plan');
  return Number(text);
}

function expectWords(args: readonly string[], count: number): readonly string[] {
  if (args.length !== count || args.some((arg) => arg.startsWith('-')))
    throw new UsageError(count === 1 ? 'exactly one tenant' : `exactly ${count} words`);
  return args;
}
