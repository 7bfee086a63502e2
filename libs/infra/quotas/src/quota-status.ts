import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Instant, Plan, TenantContext } from '#infra/kernel';
import {
  type Limit,
  levelOf,
  periodStartOf,
  placeOf,
  type QuotaLevel,
  type QuotaResource,
  quotaResources,
  resetAtOf,
} from './quota.js';
import type { QuotasParts } from './quotas.js';
import { QuotasRepository, type Wanted } from './quotas.repository.js';
import { limitOf } from './tenant-limits.js';

export interface ResourceUsage {
  readonly resource: QuotaResource;
  readonly used: number;
  readonly limit: Limit;
  /** Of the limit, two decimals; more than 100 after a change to a smaller plan. Null without limit. */
  readonly percent: number | null;
  readonly level: QuotaLevel;
  readonly resetAt: Instant | null;
}

export interface QuotaReport {
  readonly plan: Plan;
  readonly at: Instant;
  readonly resources: readonly ResourceUsage[];
}

export const statusTtlMs = 60_000;
const statusMax = 10_000;
/** Where no limit holds, the nightly count is good until the next, and an hour for being late. */
const unlimitedFreshMs = 25 * 3_600_000;

/** What a tenant uses, for people: up to 60 s old, per process. Nothing is refused or allowed by it. */
@Injectable()
export class QuotaStatus {
  readonly #rows = new QuotasRepository();
  readonly #reports = new LRUCache<string, QuotaReport>({ max: statusMax });

  constructor(private readonly parts: Pick<QuotasParts, 'sharding' | 'clock'>) {}

  async read(ctx: TenantContext): Promise<QuotaReport> {
    const now = this.parts.clock.now();
    const known = this.#reports.get(ctx.tenant.id);
    if (known && now - known.at < statusTtlMs) return known;
    const report = await this.#report(ctx, now);
    this.#reports.set(ctx.tenant.id, report);
    return report;
  }

  async #report(ctx: TenantContext, at: Instant): Promise<QuotaReport> {
    const { sharding } = this.parts;
    const entry = await sharding.tenants.byId(ctx.tenant.id);
    const limits = new Map(quotaResources.map((resource) => [resource, limitOf(entry, resource, at)]));
    const wanted = quotaResources.map((resource): Wanted => {
      const { limit, freshFrom } = limits.get(resource) ?? { limit: null, freshFrom: 0 };
      return {
        resource,
        periodStart: periodStartOf(resource, at),
        freshFrom: limit === null ? at - unlimitedFreshMs : freshFrom,
      };
    });
    const of = (place: 'directory' | 'shard') => wanted.filter(({ resource }) => placeOf(resource) === place);
    const [users, rest] = await Promise.all([
      sharding.directory.read(ctx, (tx) => this.#rows.usage(tx, of('directory')), { from: 'replica' }),
      sharding.read(ctx, (tx) => this.#rows.usage(tx, of('shard')), { from: 'replica' }),
    ]);
    const used = new Map([...users, ...rest]);
    const resources = quotaResources.map((resource) =>
      usageOf(resource, used.get(resource) ?? 0, limits.get(resource)?.limit ?? null, at),
    );
    return { plan: entry.plan, at, resources };
  }
}

function usageOf(resource: QuotaResource, used: number, limit: Limit, at: Instant): ResourceUsage {
  return {
    resource,
    used,
    limit,
    percent: limit === null ? null : percentOf(used, limit),
    level: limit === null ? 0 : levelOf(used, limit),
    resetAt: resetAtOf(resource, at),
  };
}

const percentOf = (used: number, limit: number): number =>
  limit === 0 ? 100 : Math.round((used * 10_000) / limit) / 100;
