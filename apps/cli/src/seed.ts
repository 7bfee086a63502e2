import type { INestApplicationContext } from '@nestjs/common';
import {
  AvailabilityService,
  CalendarService,
  CatalogueService,
  type SeededClinic,
  type ServiceId,
  seedClinic,
} from '#domain/appointments';
import { Users } from '#infra/identity';
import { isAppError, type Plan, systemClock, type TenantContext } from '#infra/kernel';
import { Sharding, type TenantEntry } from '#infra/sharding';
import { addDays, formatInstant, localDateOf, minuteOfInstant } from '#infra/time';
import type { Command } from './command.js';
import { operatorContext, withProduct } from './product.js';

interface DemoTenant {
  readonly slug: string;
  readonly name: string;
  readonly plan: Plan;
  readonly owner: { readonly email: string; readonly displayName: string; readonly password: string };
}

/** Known to everybody who reads this: `praxis seed` is for machines on which nothing is real. */
const demoPassword = 'seven-lamps-by-the-harbour';
const harbour: DemoTenant = {
  slug: 'harbour-clinic',
  name: 'Harbour Clinic',
  plan: 'PROFESSIONAL',
  owner: { email: 'owner@harbour.example', displayName: 'Ingrid Solberg', password: demoPassword },
};
const northside: DemoTenant = {
  slug: 'northside-medspa',
  name: 'Northside Med Spa',
  plan: 'BASIC',
  owner: { email: 'owner@northside.example', displayName: 'Dario Conti', password: demoPassword },
};

const exampleService = 'Laser treatment';

/** Safe to run again: what is there already stays as it is. Prints one line of JSON for the banner of `npm start`. */
export const seedCommand: Command = {
  words: 'seed',
  usage: 'seed',
  summary: 'demo tenants to try things on; never on a machine with real data',
  async run() {
    await withProduct(async (product) => {
      const clinic = await seedTenant(product, harbour);
      await seedTenant(product, northside);
      console.log(JSON.stringify(await seedReport(product, clinic.ctx, clinic)));
    });
  },
};

async function seedTenant(
  product: INestApplicationContext,
  demo: DemoTenant,
): Promise<SeededClinic & { readonly ctx: TenantContext }> {
  const tenant = await findOrCreate(product.get(Sharding), demo);
  const ctx = operatorContext(tenant, 'seed');
  try {
    await product.get(Users).createOwner(ctx, demo.owner);
  } catch (error) {
    if (!isAppError(error, 'user.exists')) throw error;
  }
  const clinic = await seedClinic(ctx, {
    catalogue: product.get(CatalogueService),
    calendar: product.get(CalendarService),
  });
  return { ...clinic, ctx };
}

async function findOrCreate({ tenants }: Sharding, { slug, name, plan }: DemoTenant): Promise<TenantEntry> {
  try {
    return await tenants.bySlug(slug);
  } catch (error) {
    if (!isAppError(error, 'tenant.not_found')) throw error;
    return tenants.create({ slug, name, plan });
  }
}

/** How far ahead the visit of the example lies: after any notice, inside any horizon. */
const exampleDays = { from: 7, to: 13 };

async function seedReport(product: INestApplicationContext, ctx: TenantContext, clinic: SeededClinic) {
  const { locationId, tz } = clinic;
  const serviceId = clinic.serviceIds[exampleService] as ServiceId;
  const today = localDateOf(minuteOfInstant(systemClock.now()), tz);
  const [from, to] = [addDays(today, exampleDays.from), addDays(today, exampleDays.to)];
  const { starts } = await product.get(AvailabilityService).find(ctx, { serviceId, locationId, from, to });
  const start = formatInstant(starts[0]?.startMin ?? minuteOfInstant(systemClock.now()), tz);
  const { slug, owner } = harbour;
  const body = { serviceId, locationId, start, client: { name: 'Robin Example', phone: '+1 604 555 0100' } };
  return {
    logins: [harbour, northside].map((demo) => ({ role: 'owner', tenant: demo.slug, ...demo.owner })),
    login: {
      path: '/api/v1/auth/login',
      body: { tenant: slug, email: owner.email, password: owner.password },
      token: 'accessToken',
    },
    ids: { locationId, serviceId },
    examples: [
      { says: 'what can be booked', method: 'GET', path: '/api/v1/services' },
      {
        says: `free times for "${exampleService}" next week`,
        method: 'GET',
        path: `/api/v1/availability?serviceId=${serviceId}&locationId=${locationId}&from=${from}&to=${to}`,
      },
      {
        says: 'book one: provider, room and device at once; the same key again gives the same answer',
        method: 'POST',
        path: '/api/v1/appointments',
        headers: { 'Idempotency-Key': `try-${start}` },
        body,
      },
    ],
  };
}
