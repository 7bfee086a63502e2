import { Injectable } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { Cache } from '#infra/cache';
import { type Clock, newId, type Page, type PageRequest, type TenantContext } from '#infra/kernel';
import type { Outbox } from '#infra/queues';
import type { Quotas } from '#infra/quotas';
import { Sharding, type WriteContext } from '#infra/sharding';
import { isZone, minuteOfInstant } from '#infra/time';
import { fail } from './appointments.errors.js';
import { demand, mayDo } from './appointments.policy.js';
import {
  type Location,
  type LocationChanges,
  type LocationId,
  type NewLocation,
  type NewResource,
  type NewService,
  type Resource,
  type ResourceChanges,
  type ResourceFilter,
  reachIsLegal,
  type Service,
  type ServiceChanges,
  type ServiceId,
} from './catalogue.js';
import { CatalogueRepository } from './catalogue.repository.js';
import { ClaimsRepository } from './claims.repository.js';
import { forgetPart } from './forget-catalogue.js';
import { expectNamed } from './named.js';
import { catalogueTags } from './public-catalogue.js';
import type { ResourceId } from './resource.js';
import { expectVersion, nextVersion } from './versions.js';

/** The most services that one resource's list of skills shows. */
const skillsMax = 500;

const serviceKey = (id: ServiceId): string => `service:${id}`;

interface Offered {
  readonly active: boolean;
}

/** What is offered, where, and who or what it takes. Services are read through the cache. */
@Injectable()
export class CatalogueService {
  readonly #rows = new CatalogueRepository();
  readonly #claims = new ClaimsRepository();

  constructor(
    private readonly sharding: Sharding,
    private readonly audit: Audit,
    private readonly clock: Clock,
    private readonly quotas: Quotas,
    private readonly cache: Cache,
    private readonly outbox: Outbox,
  ) {}

  async createLocation(ctx: TenantContext, input: NewLocation): Promise<Location> {
    demand(ctx, 'catalogue.change');
    if (!isZone(input.tz)) throw fail('location.unknown_zone');
    const location = { ...input, id: newId<LocationId>(), active: true, version: 1 };
    const created = this.sharding.writeOnce(ctx, async (tx) => {
      await this.#rows.insertLocation(tx, location, this.clock.now());
      await this.#recorded(tx, 'location.create', location);
      await this.quotas.consume(tx, 'locations');
      return location;
    });
    return this.quotas.refusing(ctx, created);
  }

  async locations(ctx: TenantContext, page: PageRequest<LocationId>): Promise<Page<Location, LocationId>> {
    demand(ctx, 'catalogue.read');
    return this.sharding.read(ctx, (tx) => this.#rows.locations(tx, page), { from: 'replica' });
  }

  async location(ctx: TenantContext, id: LocationId): Promise<Location> {
    demand(ctx, 'catalogue.read');
    const found = await this.sharding.read(ctx, (tx) => this.#rows.location(tx, id));
    if (!found) throw fail('location.not_found');
    return found;
  }

  async changeLocation(
    ctx: TenantContext,
    id: LocationId,
    expectedVersion: number,
    changes: LocationChanges,
  ): Promise<Location> {
    demand(ctx, 'catalogue.change');
    const changed = this.sharding.write(ctx, async (tx) => {
      const current = expectVersion('location', await this.#rows.locationForUpdate(tx, id), expectedVersion);
      const next = nextVersion(current, changes);
      await this.#rows.updateLocation(tx, next, this.clock.now());
      await this.#recorded(tx, 'location.change', next, current, changes);
      await this.#reckoned(tx, 'locations', current, next);
      return next;
    });
    return this.quotas.refusing(ctx, changed);
  }

  async createService(ctx: TenantContext, input: NewService): Promise<Service> {
    demand(ctx, 'catalogue.change');
    if (!reachIsLegal(input)) throw fail('service.segments_too_long');
    const service = { ...input, id: newId<ServiceId>(), active: true, version: 1 };
    const created = this.sharding.writeOnce(ctx, async (tx) => {
      await this.#rows.insertService(tx, service, this.clock.now());
      await this.#recorded(tx, 'service.create', service);
      await this.quotas.consume(tx, 'products');
      return service;
    });
    return this.quotas.refusing(ctx, created);
  }

  async services(ctx: TenantContext, page: PageRequest<ServiceId>): Promise<Page<Service, ServiceId>> {
    demand(ctx, 'catalogue.read');
    const { limit, after, before = null, skip = 0, counted = false } = page;
    const from = before === null ? `after:${after ?? 'none'}` : `before:${before}`;
    const key = `services:${limit}:${from}:${skip}:${counted}`;
    const load = (asker: TenantContext) => this.sharding.read(asker, (tx) => this.#rows.services(tx, page));
    return this.cache.getOrSet(ctx, 'catalogue', key, load, { tags: () => [catalogueTags.services] });
  }

  async service(ctx: TenantContext, id: ServiceId): Promise<Service> {
    demand(ctx, 'catalogue.read');
    const load = (asker: TenantContext) => this.sharding.read(asker, (tx) => this.#rows.service(tx, id));
    const found = await this.cache.getOrSet(ctx, 'catalogue', serviceKey(id), load, {
      tags: () => [catalogueTags.services],
    });
    if (!found) throw fail('service.not_found');
    return found;
  }

  /** The service where this process has it in memory and the asker may see it: for whoever answers at once. */
  serviceInMemory(ctx: TenantContext, id: ServiceId): Service | undefined {
    return mayDo(ctx, 'catalogue.read') ? this.cache.inMemory(ctx, 'catalogue', serviceKey(id)) : undefined;
  }

  /** Visits that are booked keep the times and resources they have. */
  async changeService(
    ctx: TenantContext,
    id: ServiceId,
    expectedVersion: number,
    changes: ServiceChanges,
  ): Promise<Service> {
    demand(ctx, 'catalogue.change');
    const changed = this.sharding.write(ctx, async (tx) => {
      const current = expectVersion('service', await this.#rows.serviceForUpdate(tx, id), expectedVersion);
      const next = nextVersion(current, changes);
      if (!reachIsLegal(next)) throw fail('service.segments_too_long');
      await this.#rows.updateService(tx, next, this.clock.now());
      await this.#recorded(tx, 'service.change', next, current, changes);
      await this.#reckoned(tx, 'products', current, next);
      return next;
    });
    return this.quotas.refusing(ctx, changed);
  }

  async createResource(ctx: TenantContext, input: NewResource): Promise<Resource> {
    demand(ctx, 'catalogue.change');
    const resource = { ...input, id: newId<ResourceId>(), active: true, version: 1 };
    return this.sharding.writeOnce(ctx, async (tx) => {
      await this.#rows.insertResource(tx, resource, this.clock.now());
      await this.#recorded(tx, 'resource.create', resource);
      return resource;
    });
  }

  async resources(
    ctx: TenantContext,
    filter: ResourceFilter,
    page: PageRequest<ResourceId>,
  ): Promise<Page<Resource, ResourceId>> {
    demand(ctx, 'catalogue.read');
    return this.sharding.read(
      ctx,
      async (tx) => {
        const [found] = await Promise.all([
          this.#rows.resources(tx, filter, page),
          expectNamed(tx, this.#rows, { locationId: filter.locationId }),
        ]);
        return found;
      },
      { from: 'replica' },
    );
  }

  async resource(ctx: TenantContext, id: ResourceId): Promise<Resource> {
    demand(ctx, 'catalogue.read');
    const found = await this.sharding.read(ctx, (tx) => this.#rows.resource(tx, id));
    if (!found) throw fail('resource.not_found');
    return found;
  }

  /** A smaller capacity leaves what is booked; a larger one takes part in the blocks that lie ahead. */
  async changeResource(
    ctx: TenantContext,
    id: ResourceId,
    expectedVersion: number,
    changes: ResourceChanges,
  ): Promise<Resource> {
    demand(ctx, 'catalogue.change');
    return this.sharding.write(ctx, async (tx) => {
      this.#claims.lock(tx, [{ resourceId: id }]);
      const current = expectVersion('resource', await this.#rows.resourceForUpdate(tx, id), expectedVersion);
      const next = nextVersion(current, changes);
      await this.#rows.updateResource(tx, next, this.clock.now());
      if (next.capacity > current.capacity)
        await this.#claims.extendBlocks(tx, next, minuteOfInstant(this.clock.now()));
      await this.#recorded(tx, 'resource.change', next, current, changes);
      return next;
    });
  }

  /** The services that a resource can serve, at most 500. */
  async skills(ctx: TenantContext, id: ResourceId): Promise<readonly ServiceId[]> {
    demand(ctx, 'catalogue.read');
    return this.sharding.read(ctx, async (tx) => {
      const [resource, skills] = await Promise.all([
        this.#rows.resource(tx, id),
        this.#rows.skillsOf(tx, id, skillsMax),
      ]);
      if (!resource) throw fail('resource.not_found');
      return skills;
    });
  }

  /** Idempotent. */
  async putSkill(ctx: TenantContext, id: ResourceId, serviceId: ServiceId): Promise<void> {
    demand(ctx, 'catalogue.change');
    await this.sharding.write(ctx, async (tx) => {
      const added = await this.#rows.addSkill(tx, id, serviceId, this.clock.now());
      if (added)
        await this.audit.record(tx, { action: 'resource.add_skill', resourceType: 'resource', resourceId: id });
    });
  }

  /** Idempotent for a resource and a service that exist; visits that are booked keep it. */
  async removeSkill(ctx: TenantContext, id: ResourceId, serviceId: ServiceId): Promise<void> {
    demand(ctx, 'catalogue.change');
    await this.sharding.write(ctx, async (tx) => {
      const [resource, service, removed] = await Promise.all([
        this.#rows.resource(tx, id),
        this.#rows.service(tx, serviceId),
        this.#rows.removeSkill(tx, id, serviceId),
      ]);
      if (!resource) throw fail('resource.not_found');
      if (!service) throw fail('service.not_found');
      if (removed)
        await this.audit.record(tx, { action: 'resource.remove_skill', resourceType: 'resource', resourceId: id });
    });
  }

  /** What is closed or no longer offered gives its place back. */
  async #reckoned(
    tx: WriteContext,
    resource: 'locations' | 'products',
    before: Offered,
    after: Offered,
  ): Promise<void> {
    if (before.active && !after.active) await this.quotas.release(tx, resource);
    if (!before.active && after.active) await this.quotas.consume(tx, resource);
  }

  async #recorded(
    tx: WriteContext,
    action: `${string}.${string}`,
    { id, version }: { readonly id: string; readonly version: number },
    before?: { readonly version: number },
    changes: object = {},
  ): Promise<void> {
    const tag = tagOf(action);
    if (tag !== undefined) await forgetPart(tx, tag, { cache: this.cache, outbox: this.outbox });
    await this.audit.record(tx, {
      action,
      resourceType: action.slice(0, action.indexOf('.')),
      resourceId: id,
      versionTo: version,
      fields: Object.keys(changes),
      ...(before ? { versionFrom: before.version } : {}),
    });
  }
}

/** Lists and single services are forgotten together, and so are locations: they change rarely. */
const tagOf = (action: string): 'services' | 'locations' | undefined => {
  if (action.startsWith('service.')) return catalogueTags.services;
  return action.startsWith('location.') ? catalogueTags.locations : undefined;
};
