import type { Context } from '#infra/kernel';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { again, type Clinic, codeOf, newClinic, openServices, type Services } from '../test/clinic.js';
import { PublicCatalogueService } from './public-catalogue.service.js';

const eventuallyMs = 10_000;

interface Process extends Services {
  readonly shown: PublicCatalogueService;
}

let db: TestDatabases;
let one: Process;
let other: Process;
let clinic: Clinic;
let slug: string;
let anybody: Context;

function openProcess(): Process {
  const services = openServices(db);
  services.cache.onModuleInit();
  return {
    ...services,
    shown: new PublicCatalogueService(db.sharding, db.audit, db.clock, services.cache, services.outbox),
  };
}

/** Two processes, each with a memory of its own. */
beforeAll(async () => {
  db = await openTestDatabases();
  [one, other] = [openProcess(), openProcess()];
  await waitUntil(() => one.cache.hears && other.cache.hears, eventuallyMs);
  clinic = await newClinic(db, one, { shardId: 'shard-2' });
  slug = (await db.sharding.tenants.byId(clinic.ctx.tenant.id)).slug;
  anybody = { ...clinic.ctx, actor: { kind: 'anonymous' }, tenant: null };
});
afterAll(async () => {
  for (const each of [one, other]) each?.cache.beforeApplicationShutdown();
  await db?.close();
});

const answerOf = async ({ shown }: Process) => {
  try {
    return (await shown.services(anybody, slug)).map(({ name }) => name).join();
  } catch (error) {
    return codeOf(Promise.reject(error));
  }
};
const publish = async (open: boolean) => {
  const { version } = await one.shown.publication(clinic.ctx);
  return one.shown.publish(again(clinic.ctx), version, open);
};
const eventually = async (process: Process, wanted: string) => {
  await waitUntil(async () => (await answerOf(process)) === wanted, eventuallyMs);
  expect(await answerOf(process)).toBe(wanted);
};

describe('a public catalogue', () => {
  it('opens, changes and closes at once where that is done, and a moment later on every other process', async () => {
    expect([await answerOf(one), await answerOf(other)]).toEqual(['catalogue.not_found', 'catalogue.not_found']);
    await publish(true);
    expect(await answerOf(one)).toBe('Laser treatment');
    await eventually(other, 'Laser treatment');
    await one.catalogue.changeService(again(clinic.ctx), clinic.serviceId, 1, { name: 'Laser' });
    expect(await answerOf(one)).toBe('Laser');
    await eventually(other, 'Laser');
    await publish(false);
    expect(await answerOf(one)).toBe('catalogue.not_found');
    await eventually(other, 'catalogue.not_found');
    await publish(true);
    await eventually(other, 'Laser');
  });

  it('is read once for all who ask: the second time no statement is sent', async () => {
    await publish(true);
    await answerOf(one);
    const read = jest.spyOn(db.sharding, 'read');
    expect(await answerOf(one)).toBe('Laser');
    expect(read).not.toHaveBeenCalled();
    read.mockRestore();
  });

  it('of another tenant shows nothing of this one', async () => {
    const theirs = await newClinic(db, one, { shardId: 'shard-2' });
    await one.shown.publish(again(theirs.ctx), 1, true);
    const theirSlug = (await db.sharding.tenants.byId(theirs.ctx.tenant.id)).slug;
    await one.catalogue.changeService(again(theirs.ctx), theirs.serviceId, 1, { name: 'Peel' });
    expect(await one.shown.services(anybody, theirSlug)).toEqual([{ name: 'Peel', durationMin: 30 }]);
    expect(await answerOf(one)).toBe('Laser');
  });
});
