import type { Location, Service } from './catalogue.js';

/** What anybody may know of a service. */
export type PublicService = Pick<Service, 'name' | 'durationMin'>;
/** What anybody may know of a location. */
export type PublicLocation = Pick<Location, 'name' | 'tz'>;

/** Whether a tenant shows its catalogue to everybody. Nobody has changed it: version 1, closed. */
export interface Publication {
  readonly open: boolean;
  readonly version: number;
}
export const closed: Publication = { open: false, version: 1 };

/** The most services, and the most locations, that a public catalogue shows: those that were added first. */
export const publicCatalogueMax = 1_000;

/** What kept parts of the catalogue are forgotten by. */
export const catalogueTags = { services: 'services', locations: 'locations', publication: 'publication' } as const;
