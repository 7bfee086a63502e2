import type { INestApplicationContext } from '@nestjs/common';
import { CalendarService, CatalogueService, PublicCatalogueService, seedClinic } from '#domain/appointments';
import type { NewMember } from '#domain/members';
import { Users } from '#infra/identity';
import { isAppError, type Plan, type TenantContext } from '#infra/kernel';
import { Databases, Sharding, type TenantEntry } from '#infra/sharding';
import type { Command } from './command.js';
import { operatorContext, withProduct } from './product.js';
import { seedFiles, seedSources } from './seed/demo-books.js';
import { clinicMembers, clubMembers, seedMembers } from './seed/demo-members.js';
import { seedPatients } from './seed/demo-patients.js';
import { examplesOf, idsOf, type SeededTenant } from './seed/report.js';

interface DemoTenant {
  readonly slug: string;
  readonly name: string;
  readonly plan: Plan;
  /** Where there are several shards; each demo tenant has one of its own. */
  readonly shard: number;
  readonly owner: { readonly email: string; readonly displayName: string; readonly password: string };
  readonly members: readonly NewMember[];
}

/** Known to everybody who reads this: `praxis seed` is for machines on which nothing is real. */
const demoPassword = 'seven-lamps-by-the-harbour';
const harbour: DemoTenant = {
  slug: 'harbour-clinic',
  name: 'Harbour Clinic',
  plan: 'PROFESSIONAL',
  shard: 0,
  owner: { email: 'owner@harbour.example', displayName: 'Ingrid Solberg', password: demoPassword },
  members: clinicMembers,
};
const northside: DemoTenant = {
  slug: 'northside-club',
  name: 'Northside Athletic Club',
  plan: 'BASIC',
  shard: 1,
  owner: { email: 'owner@northside.example', displayName: 'Dario Conti', password: demoPassword },
  members: clubMembers,
};

/** Safe to run again: what is there already stays as it is. Prints one line of JSON for the banner of `npm start`. */
export const seedCommand: Command = {
  words: 'seed',
  usage: 'seed',
  summary: 'a demo clinic and a demo club to try things on; never on a machine with real data',
  async run() {
    await withProduct(async (product) => {
      const clinic = await seedTenant(product, harbour);
      await seedPatients(product, clinic.ctx);
      await openCatalogue(product, clinic.ctx);
      const club = await seedTenant(product, northside);
      await seedFiles(product, club.ctx, club.books);
      console.log(JSON.stringify(await seedReport(product, clinic)));
    });
  },
};

async function seedTenant(product: INestApplicationContext, demo: DemoTenant): Promise<SeededTenant> {
  const ctx = operatorContext(await findOrCreate(product, demo), 'seed');
  try {
    await product.get(Users).createOwner(ctx, demo.owner);
  } catch (error) {
    if (!isAppError(error, 'user.exists')) throw error;
  }
  return {
    ctx,
    clinic: await seedClinic(ctx, {
      catalogue: product.get(CatalogueService),
      calendar: product.get(CalendarService),
    }),
    members: await seedMembers(product, ctx, demo.members),
    books: await seedSources(product, ctx),
  };
}

/** The clinic has a website. Whoever has closed its catalogue since, wanted that. */
async function openCatalogue(product: INestApplicationContext, ctx: TenantContext): Promise<void> {
  const catalogue = product.get(PublicCatalogueService);
  const { version } = await catalogue.publication(ctx);
  if (version === 1) await catalogue.publish(ctx, version, true);
}

async function findOrCreate(
  product: INestApplicationContext,
  { slug, name, plan, shard }: DemoTenant,
): Promise<TenantEntry> {
  const { tenants } = product.get(Sharding);
  try {
    return await tenants.bySlug(slug);
  } catch (error) {
    if (!isAppError(error, 'tenant.not_found')) throw error;
    const { shardIds } = product.get(Databases);
    const shardId = shardIds[shard % shardIds.length];
    return tenants.create({ slug, name, plan, ...(shardId === undefined ? {} : { shardId }) });
  }
}

async function seedReport(product: INestApplicationContext, clinic: SeededTenant) {
  const { slug, owner } = harbour;
  return {
    logins: [harbour, northside].map((demo) => ({ role: 'owner', tenant: demo.slug, ...demo.owner })),
    login: {
      path: '/api/v1/auth/login',
      body: { tenant: slug, email: owner.email, password: owner.password },
      token: 'accessToken',
    },
    ids: idsOf(clinic),
    examples: await examplesOf(product, clinic),
  };
}
