import { parseArgs } from 'node:util';
import type { INestApplicationContext } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { parseConfig } from '#infra/config';
import { type Context, newId, systemClock, type Tenant, type TenantId, toDate, type UserId } from '#infra/kernel';
import { TierReport } from '#infra/quotas';
import { RedisConnections } from '#infra/redis';
import { Sharding } from '#infra/sharding';
import { Log } from '#infra/telemetry';
import { type BlockedSubject, Blocks, PlanUse, throttlingConfig } from '#infra/throttling';
import { type Command, UsageError } from './command.js';
import { operatorContext, withProduct } from './product.js';

const readyTimeoutMs = 5_000;
/** For thousands of tenants. */
const reportMaxMs = 30 * 60_000;

export const limitsBlocksCommand: Command = {
  words: 'limits blocks',
  usage: 'limits blocks',
  summary: 'addresses and users that are blocked for exceeding limits again and again, a line of JSON each',
  async run(args) {
    parsed(args);
    await withProduct(async (product) => {
      for (const { subject, until } of await (await blocksOf(product)).list())
        console.log(JSON.stringify({ ...subject, until: toDate(until).toISOString() }));
    });
  },
};

export const limitsUnblockCommand: Command = {
  words: 'limits unblock',
  usage: 'limits unblock (--address IP | --tenant SLUG --user ID)',
  summary: 'lets it in again, everywhere within 10 s',
  async run(args) {
    const { address, tenant, user } = parsed(args);
    if (address === undefined ? tenant === undefined || user === undefined : (tenant ?? user) !== undefined)
      throw new UsageError('name either an address, or a tenant and its user');
    await withProduct(async (product) => {
      const blocks = await blocksOf(product);
      const lifted =
        address === undefined
          ? await liftUser(product, blocks, tenant ?? '', user ?? '')
          : await blocks.lift({ kind: 'address', address });
      console.log(JSON.stringify({ lifted }));
      if (!lifted) process.exitCode = 1;
    });
  },
};

export const limitsReportCommand: Command = {
  words: 'limits report',
  usage: 'limits report',
  summary: 'for each plan and each of its limits, how many tenants use 80 % of it or more; a line of JSON each',
  async run(args) {
    if (args.length > 0) throw new UsageError('takes nothing');
    await withProduct(async (product) => {
      const redis = product.get(RedisConnections);
      await redis.ready('limits', readyTimeoutMs);
      const use = new PlanUse(redis, parseConfig({ throttling: throttlingConfig }).throttling);
      const requests = async (tenant: Tenant) => ({ requests: await use.percentOf(tenant) });
      const { tiers, unread } = await product.get(TierReport).read(noTenant(), requests);
      for (const tier of tiers) console.log(JSON.stringify(tier));
      if (unread === 0) return;
      console.error(`${unread} tenants could not be read, and are in no line`);
      process.exitCode = 1;
    });
  },
};

const noTenant = (): Context => ({
  requestId: newId(),
  actor: { kind: 'system', name: 'operator:limits report' },
  tenant: null,
  deadline: systemClock.now() + reportMaxMs,
});

/** On record in the tenant before it is lifted. */
async function liftUser(product: INestApplicationContext, blocks: Blocks, slug: string, id: string): Promise<boolean> {
  const tenant = await product.get(Sharding).tenants.bySlug(slug);
  const userId = id as UserId;
  const subject: BlockedSubject = { kind: 'user', tenantId: tenant.id as TenantId, userId };
  if (!(await blocks.has(subject))) return false;
  const event = { action: 'limit.unblock', resourceType: 'user', resourceId: userId } as const;
  await product.get(Audit).recordRead(operatorContext(tenant, 'limits unblock'), event, 'directory');
  return blocks.lift(subject);
}

async function blocksOf(product: INestApplicationContext): Promise<Blocks> {
  const redis = product.get(RedisConnections);
  await redis.ready('limits', readyTimeoutMs);
  return new Blocks({ redis, log: product.get(Log), clock: systemClock });
}

function parsed(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ args: [...args], options: { address: text, tenant: text, user: text } }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
