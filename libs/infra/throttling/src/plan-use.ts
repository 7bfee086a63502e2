import type { Tenant } from '#infra/kernel';
import type { RedisConnections } from '#infra/redis';
import { limitPolicies } from './limit-classes.js';
import { RedisWindows } from './redis-windows.js';
import type { ThrottlingConfig } from './throttling.config.js';

/** What tenants have asked for in the last 15 minutes. Looking counts nothing. */
export class PlanUse {
  private readonly windows: RedisWindows;

  constructor(
    redis: RedisConnections,
    private readonly config: ThrottlingConfig,
  ) {
    this.windows = new RedisWindows(redis);
  }

  /** Percent of what the plan allows; rejects when Redis cannot be asked. */
  async percentOf({ id, plan }: Tenant): Promise<number> {
    const { limit: limits, windowMs } = limitPolicies(this.config)['tenant-plan'];
    const limit = limits[plan];
    const charge = {
      name: 'tenant-plan',
      key: `limits:{t:${id}}:tenant-plan`,
      rule: { algorithm: 'sliding', limit, windowMs },
      ...{ cost: 0, leasable: false, strict: false, blamed: false },
    } as const;
    const { states } = await this.windows.consume({ charges: [charge] });
    return Math.round(((limit - (states[0]?.remaining ?? limit)) * 10_000) / limit) / 100;
  }
}
