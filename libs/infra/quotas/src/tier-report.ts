import { Injectable } from '@nestjs/common';
import { type Context, type Plan, plans, type Tenant, type TenantContext, type TenantId } from '#infra/kernel';
import { quotaLevels } from './quota.js';
import type { QuotaStatus } from './quota-status.js';
import type { QuotasParts } from './quotas.js';
import { tenantPages } from './tenant-pages.js';

/** How the tenants of one plan stand with one of its limits. */
export interface TierUse {
  readonly plan: Plan;
  readonly limit: string;
  /** For whom it holds. */
  readonly tenants: number;
  /** Who use 80 % of it or more. */
  readonly near: number;
  /** Who use all of it. */
  readonly full: number;
  /** `near` in parts of `tenants`, two decimals. */
  readonly nearShare: number;
}

export interface TierReportAnswer {
  readonly tiers: readonly TierUse[];
  /** Tenants whose databases did not answer, and who are in no number. */
  readonly unread: number;
}

/** Percent of further limits that a tenant uses, by their names. */
export type FurtherLimits = (tenant: Tenant) => Promise<Readonly<Record<string, number>>>;

interface Tally {
  tenants: number;
  near: number;
  full: number;
}

const [nearPercent, , fullPercent] = quotaLevels;
const atOnce = 8;
const perTenantMs = 30_000;

/** Which limits of which plans tenants come near to: what the sizes of plans are decided by. */
@Injectable()
export class TierReport {
  constructor(
    private readonly parts: Pick<QuotasParts, 'sharding' | 'clock'>,
    private readonly status: QuotaStatus,
  ) {}

  async read(ctx: Context, further: FurtherLimits = async () => ({})): Promise<TierReportAnswer> {
    const tallies = new Map<string, Tally>();
    let unread = 0;
    for await (const ids of tenantPages(this.parts, ctx))
      for (let n = 0; n < ids.length; n += atOnce) {
        const uses = ids.slice(n, n + atOnce).map((id) => this.#useOf(ctx, id, further));
        for (const outcome of await Promise.allSettled(uses))
          if (outcome.status === 'fulfilled') add(tallies, outcome.value);
          else unread += 1;
      }
    return { tiers: [...tallies].map(tierUse).sort(byPlan), unread };
  }

  async #useOf(ctx: Context, id: TenantId, further: FurtherLimits) {
    const { plan } = await this.parts.sharding.tenants.byId(id);
    const tenant = { id, plan };
    const inside: TenantContext = { ...ctx, tenant, deadline: this.parts.clock.now() + perTenantMs };
    const [{ resources }, more] = await Promise.all([this.status.read(inside), further(tenant)]);
    const percents = resources.flatMap(({ resource, percent }): (readonly [string, number])[] =>
      percent === null ? [] : [[resource, percent]],
    );
    return { plan, percents: [...percents, ...Object.entries(more)] };
  }
}

interface Use {
  readonly plan: Plan;
  readonly percents: readonly (readonly [limit: string, percent: number])[];
}

function add(tallies: Map<string, Tally>, { plan, percents }: Use): void {
  for (const [limit, percent] of percents) {
    const key = `${plan} ${limit}`;
    const tally = tallies.get(key) ?? { tenants: 0, near: 0, full: 0 };
    tally.tenants += 1;
    if (percent >= nearPercent) tally.near += 1;
    if (percent >= fullPercent) tally.full += 1;
    tallies.set(key, tally);
  }
}

function tierUse([key, tally]: readonly [string, Tally]): TierUse {
  const [plan, limit = ''] = key.split(' ');
  const nearShare = Math.round((tally.near * 100) / tally.tenants) / 100;
  return { plan: plan as Plan, limit, ...tally, nearShare };
}

/** Within a plan, the limit that most come near to first. */
const byPlan = (a: TierUse, b: TierUse): number =>
  plans.indexOf(a.plan) - plans.indexOf(b.plan) || b.nearShare - a.nearShare || a.limit.localeCompare(b.limit);
