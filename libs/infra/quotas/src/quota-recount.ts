import { Injectable } from '@nestjs/common';
import { type Context, type Instant, isAppError, type TenantContext, type TenantId } from '#infra/kernel';
import type { TenantDatabase } from '#infra/sharding';
import type { Counter } from '#infra/telemetry';
import { type Limit, periodStartOf, placeOf, type QuotaResource, quotaResources } from './quota.js';
import { fail } from './quotas.errors.js';
import type { QuotasParts } from './quotas.js';
import { type Compared, QuotasRepository, type Wanted } from './quotas.repository.js';
import { limitOf } from './tenant-limits.js';
import { tenantPages } from './tenant-pages.js';

export interface Recounted {
  readonly tenants: number;
  /** Rows that said something else than there was, and say it no more. */
  readonly drifted: number;
}

interface Watched extends Wanted {
  readonly limit: Limit;
}

const atOnce = 4;
const perTenantMs = 60_000;

/**
 * Counts what there is and compares it with what was reckoned, of every tenant. Looking locks nothing and goes to a
 * replica; only a row that differs is counted again under its lock, reported and mended.
 */
@Injectable()
export class QuotaRecount {
  readonly #rows = new QuotasRepository();
  readonly #drift: Counter<'resource'>;

  constructor(private readonly parts: QuotasParts) {
    this.#drift = parts.metrics.counter('quota_drift_total', 'Rows of quotas that a recount found wrong and mended.', [
      'resource',
    ]);
  }

  /** Throws quota.not_recounted, after all the others, where tenants could not be looked at. */
  async run(ctx: Context): Promise<Recounted> {
    let [tenants, drifted, failed] = [0, 0, 0];
    for await (const ids of tenantPages(this.parts, ctx)) {
      for (let n = 0; n < ids.length; n += atOnce) {
        const outcomes = await Promise.all(ids.slice(n, n + atOnce).map((id) => this.#attempt(ctx, id)));
        drifted += outcomes.reduce<number>((sum, each) => sum + (each ?? 0), 0);
        failed += outcomes.filter((each) => each === null).length;
      }
      tenants += ids.length;
    }
    this.parts.log.info('quota.recounted', { total: tenants, count: drifted, dropped: failed });
    if (failed > 0) throw fail('quota.not_recounted', { internal: `${failed} of ${tenants} tenants` });
    return { tenants, drifted };
  }

  /** How many rows of one tenant had drifted. */
  async tenant(ctx: Context, id: TenantId): Promise<number> {
    const { sharding, clock } = this.parts;
    const entry = await sharding.tenants.byId(id);
    const at = clock.now();
    const watched = quotaResources.map((resource): Watched => {
      const { limit, freshFrom } = limitOf(entry, resource, at);
      return { resource, limit, freshFrom, periodStart: periodStartOf(resource, at) };
    });
    const inside: TenantContext = { ...ctx, tenant: { id, plan: entry.plan }, deadline: at + perTenantMs };
    const of = (place: 'directory' | 'shard') => watched.filter(({ resource }) => placeOf(resource) === place);
    const directory = await this.#in(sharding.directory, inside, of('directory'), at);
    return directory + (await this.#in(sharding, inside, of('shard'), at));
  }

  async #in(place: TenantDatabase, ctx: TenantContext, watched: readonly Watched[], at: Instant): Promise<number> {
    const found = await place.read(ctx, (tx) => this.#rows.compare(tx, watched), { from: 'replica' });
    const byResource = new Map(found.map((each) => [each.resource, each]));
    let drifted = 0;
    for (const each of watched) {
      const compared = byResource.get(each.resource);
      if (!compared || (each.limit !== null && agrees(compared))) continue;
      const { kept, counted } = await place.write(ctx, (tx) => this.#rows.recount(tx, each, at), { readBack: false });
      const wasReckoned = each.limit !== null && compared.kept !== null;
      if (!wasReckoned || kept === null || kept === counted) continue;
      drifted += 1;
      this.#report(ctx, each.resource, counted - kept);
    }
    return drifted;
  }

  /** Null where the tenant’s databases cannot be asked; it is looked at next time. */
  async #attempt(ctx: Context, id: TenantId): Promise<number | null> {
    try {
      return await this.tenant(ctx, id);
    } catch (error) {
      const code = isAppError(error) ? error.code : undefined;
      this.parts.log.warn('quota.not_recounted', { tenantId: id, code, error });
      return null;
    }
  }

  #report({ tenant }: TenantContext, resource: QuotaResource, difference: number): void {
    this.#drift.inc({ resource });
    this.parts.log.error('quota.drifted', { tenantId: tenant.id, resourceType: resource, count: difference });
  }
}

/** A row that says nothing is counted at its first use. */
const agrees = ({ kept, counted }: Compared): boolean => kept === null || kept === counted;
