import { Injectable } from '@nestjs/common';
import type { Clock, Instant, TenantContext } from '#infra/kernel';
import type { Sharding, WriteContext } from '#infra/sharding';
import type { Counter, Log, Metrics } from '#infra/telemetry';
import { periodStartOf, placeOf, type QuotaLevel, type QuotaResource, quotaResources, upgradeFrom } from './quota.js';
import { fail } from './quotas.errors.js';
import { QuotasRepository } from './quotas.repository.js';
import { limitOf, type TenantLimit } from './tenant-limits.js';

export interface QuotasParts {
  readonly sharding: Sharding;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** How much of what plans limit a tenant has: exact, because it is reckoned in the transaction of what is made. */
@Injectable()
export class Quotas {
  readonly #rows = new QuotasRepository();
  readonly #refused: Counter<'resource'>;
  readonly #reached: Counter<'resource' | 'level'>;

  constructor(private readonly parts: QuotasParts) {
    const { metrics } = parts;
    this.#refused = metrics.counter('quota_refusals_total', 'Creations that a plan’s limit refused.', ['resource']);
    this.#reached = metrics.counter('quota_levels_reached_total', 'Limits of which 80, 95 or 100 % came to be used.', [
      'resource',
      'level',
    ]);
  }

  /**
   * The last statement of a transaction that has made `amount` of something, so that its row is held as short as can be:
   * it travels with COMMIT. Where the limit refuses it the transaction fails, and `refusing` tells why. A tenant without
   * limit touches nothing.
   */
  async consume(tx: WriteContext, resource: QuotaResource, amount = 1): Promise<void> {
    if (amount === 0) return;
    const at = this.parts.clock.now();
    const { limit, freshFrom } = await this.#limitOf(tx, resource, at);
    if (limit === null) return;
    const periodStart = periodStartOf(resource, at);
    const announced = placeOf(resource) === 'shard';
    const reached = this.#rows
      .consume(tx, { resource, amount, most: limit, periodStart, freshFrom, at, announced })
      // The transaction fails with it.
      .catch((): QuotaLevel => 0);
    tx.afterCommit(() => void reached.then((level) => this.#tell(tx, resource, level, limit)));
  }

  /**
   * In the transaction that removes `amount` of something, after its statements. `madeAt`: what was made before this
   * period does not count in it.
   */
  async release(tx: WriteContext, resource: QuotaResource, amount = 1, madeAt?: Instant): Promise<void> {
    if (amount === 0) return;
    const at = this.parts.clock.now();
    const { limit } = await this.#limitOf(tx, resource, at);
    if (limit === null || (madeAt !== undefined && madeAt < periodStartOf(resource, at))) return;
    this.#rows.release(tx, resource, amount);
  }

  /** The outcome of a transaction that consumes: what a limit refused becomes `quota.exceeded`. */
  async refusing<T>(ctx: TenantContext, write: Promise<T>): Promise<T> {
    try {
      return await write;
    } catch (error) {
      throw await this.refusalOf(ctx, error);
    }
  }

  /** `quota.exceeded` for a transaction that a limit refused; any other error as it is. */
  async refusalOf(ctx: TenantContext, error: unknown): Promise<unknown> {
    const refused = refusedBy(error);
    if (refused === null) return error;
    const { resource, recounted } = refused;
    const { plan, limit } = await this.#limitOf(ctx, resource, this.parts.clock.now());
    if (recounted) await this.#keepCount(ctx, resource);
    this.#refused.inc({ resource });
    const upgrade = limit === null ? null : upgradeFrom(plan, resource, limit);
    return fail('quota.exceeded', { internal: resource, extra: { resource, limit, upgrade } });
  }

  /** The count was undone with the transaction; kept, the next refusal needs none. */
  async #keepCount(ctx: TenantContext, resource: QuotaResource): Promise<void> {
    const { sharding, clock, log } = this.parts;
    const at = clock.now();
    const place = placeOf(resource) === 'shard' ? sharding : sharding.directory;
    const wanted = { resource, periodStart: periodStartOf(resource, at), freshFrom: 0 };
    await place
      .write(ctx, (tx) => this.#rows.recount(tx, wanted, at), { readBack: false })
      .catch((error: unknown) => log.warn('quota.not_recounted', { tenantId: ctx.tenant.id, error }));
  }

  async #limitOf({ tenant }: TenantContext, resource: QuotaResource, now: Instant): Promise<TenantLimit> {
    return limitOf(await this.parts.sharding.tenants.byId(tenant.id), resource, now);
  }

  #tell({ tenant }: TenantContext, resource: QuotaResource, level: QuotaLevel, limit: number): void {
    if (level === 0) return;
    this.#reached.inc({ resource, level: String(level) });
    this.parts.log.warn('quota.reached', { tenantId: tenant.id, resourceType: resource, limit, ratio: level / 100 });
  }
}

const usedUp = 'TQ001';

function refusedBy(error: unknown): { readonly resource: QuotaResource; readonly recounted: boolean } | null {
  const { code, detail } = (error ?? {}) as { readonly code?: unknown; readonly detail?: unknown };
  if (code !== usedUp || typeof detail !== 'string') return null;
  const { resource: named, recounted } = JSON.parse(detail) as { resource: string; recounted: boolean };
  const resource = quotaResources.find((known) => known === named);
  return resource === undefined ? null : { resource, recounted };
}
