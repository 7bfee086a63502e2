import type { ReadContext } from '#infra/sharding';
import { fail } from './appointments.errors.js';
import type { LocationId } from './catalogue.js';
import type { CatalogueRepository } from './catalogue.repository.js';
import type { ResourceId } from './resource.js';

/** What a filter names: a list of nothing must not hide that the location or resource does not exist. */
interface Named {
  readonly locationId?: LocationId | undefined;
  readonly resourceId?: ResourceId | undefined;
}

/** Throws location.not_found or resource.not_found; travels with the list itself. */
export async function expectNamed(tx: ReadContext, rows: CatalogueRepository, { locationId, resourceId }: Named) {
  const [location, resource] = await Promise.all([
    locationId === undefined ? true : rows.location(tx, locationId),
    resourceId === undefined ? true : rows.resource(tx, resourceId),
  ]);
  if (location === undefined) throw fail('location.not_found');
  if (resource === undefined) throw fail('resource.not_found');
}
