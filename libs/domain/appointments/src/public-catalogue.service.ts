import { Injectable } from '@nestjs/common';
import type { Audit } from '#infra/audit';
import type { Cache } from '#infra/cache';
import { type Clock, type Context, isAppError, type TenantContext, type TenantId } from '#infra/kernel';
import type { Outbox } from '#infra/queues';
import type { ReadContext, Sharding, TenantEntry } from '#infra/sharding';
import { fail } from './appointments.errors.js';
import { demand } from './appointments.policy.js';
import { forgetPart } from './forget-catalogue.js';
import {
  catalogueTags,
  type Publication,
  type PublicLocation,
  type PublicService,
  publicCatalogueMax,
} from './public-catalogue.js';
import { PublicCatalogueRepository } from './public-catalogue.repository.js';

/** Slugs that a process knows the tenant of. A slug is never given to another one. */
const knownSlugsMax = 10_000;

/**
 * What a clinic's own website shows to people without a login. Off until the tenant opens it; a closed catalogue and one
 * that does not exist are the same to whoever asks.
 */
@Injectable()
export class PublicCatalogueService {
  readonly #rows = new PublicCatalogueRepository();
  readonly #known = new Map<string, TenantId>();

  constructor(
    private readonly sharding: Sharding,
    private readonly audit: Audit,
    private readonly clock: Clock,
    private readonly cache: Cache,
    private readonly outbox: Outbox,
  ) {}

  /** For anybody: what the tenant of this slug offers now, 1,000 at most. */
  services(ctx: Context, slug: string): Promise<readonly PublicService[]> {
    return this.#shown(ctx, slug, 'services', (tx) => this.#rows.services(tx, publicCatalogueMax));
  }

  /** For anybody: where the tenant of this slug is open now, 1,000 at most. */
  locations(ctx: Context, slug: string): Promise<readonly PublicLocation[]> {
    return this.#shown(ctx, slug, 'locations', (tx) => this.#rows.locations(tx, publicCatalogueMax));
  }

  async publication(ctx: TenantContext): Promise<Publication> {
    demand(ctx, 'catalogue.read');
    return this.sharding.read(ctx, (tx) => this.#rows.publication(tx));
  }

  /** Opens the catalogue to everybody, or closes it. What browsers and a CDN hold then, they hold until its time is over. */
  async publish(ctx: TenantContext, expectedVersion: number, open: boolean): Promise<Publication> {
    demand(ctx, 'catalogue.publish');
    return this.sharding.write(ctx, async (tx) => {
      const before = await this.#rows.publication(tx);
      const current = before.version === expectedVersion;
      const after = current ? await this.#rows.publish(tx, open, before, this.clock.now()) : undefined;
      if (!after) throw fail('catalogue.version_conflict', { extra: { currentVersion: before.version } });
      await forgetPart(tx, catalogueTags.publication, { cache: this.cache, outbox: this.outbox });
      await this.audit.record(tx, {
        action: 'catalogue.publish',
        resourceType: 'catalogue',
        resourceId: ctx.tenant.id,
        versionFrom: before.version,
        versionTo: after.version,
        fields: ['open'],
      });
      return after;
    });
  }

  async #shown<Item>(
    ctx: Context,
    slug: string,
    part: 'services' | 'locations',
    rows: (tx: ReadContext) => Promise<Item[]>,
  ): Promise<readonly Item[]> {
    const inside = await this.#tenantOf(ctx, slug);
    if (!inside) throw fail('catalogue.not_found');
    const load = (asker: TenantContext) =>
      this.sharding.read(asker, async (tx) => {
        const [{ open }, items] = await Promise.all([this.#rows.publication(tx), rows(tx)]);
        return open ? items : null;
      });
    const tags = () => [catalogueTags.publication, catalogueTags[part]];
    const shown = await this.cache.getOrSet<Item[] | null>(inside, 'catalogue', `public:${part}`, load, { tags });
    if (shown === null) throw fail('catalogue.not_found');
    return shown;
  }

  /** Null where there is no such tenant, or it is suspended. */
  async #tenantOf(ctx: Context, slug: string): Promise<TenantContext | null> {
    try {
      const { id, plan, state } = await this.#entryOf(slug);
      return state === 'suspended' ? null : { ...ctx, tenant: { id, plan } };
    } catch (error) {
      if (isAppError(error, 'tenant.not_found')) return null;
      throw error;
    }
  }

  async #entryOf(slug: string): Promise<TenantEntry> {
    const { tenants } = this.sharding;
    const known = this.#known.get(slug);
    if (known !== undefined) return tenants.byId(known);
    const entry = await tenants.bySlug(slug);
    if (this.#known.size >= knownSlugsMax) this.#known.clear();
    this.#known.set(slug, entry.id);
    return entry;
  }
}
