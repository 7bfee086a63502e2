import { z } from 'zod';
import type { Publication, PublicLocation, PublicService } from '#domain/appointments';
import { allOf, versionNumber } from '../edge/index.js';
import { tenantSlug } from '../identity/auth.dto.js';

export const slug = tenantSlug.meta({ description: 'the tenant’s own name in addresses, as for a login' });

const publicService = z.strictObject({ name: z.string(), durationMin: z.int() });
const publicLocation = z.strictObject({
  name: z.string(),
  tz: z.string().meta({ description: 'IANA time zone, for example America/Vancouver' }),
});
export const publicServices = allOf(publicService);
export const publicLocations = allOf(publicLocation);

export const publication = z.strictObject({
  open: z.boolean().meta({ description: 'whether services and locations are shown to everybody' }),
  version: versionNumber,
});
export const newPublication = publication.pick({ open: true });

const presentService = ({ name, durationMin }: PublicService): z.input<typeof publicService> => ({ name, durationMin });
const presentLocation = ({ name, tz }: PublicLocation): z.input<typeof publicLocation> => ({ name, tz });

export const presentServices = (services: readonly PublicService[]) => ({ data: services.map(presentService) });
export const presentLocations = (locations: readonly PublicLocation[]) => ({ data: locations.map(presentLocation) });

export const presentPublication = ({ open, version }: Publication): z.input<typeof publication> => ({ open, version });
