import { newId, type TenantContext } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import {
  again,
  bookingAt,
  deadlocksSoFar,
  disagreements,
  instantAt,
  newClinic,
  noDisagreements,
  openServices,
} from '../test/clinic.js';
import type { AppointmentId, Share } from './appointment.js';
import type { Claim } from './claim.js';
import { ClaimsRepository } from './claims.repository.js';
import type { ResourceId } from './resource.js';

const claims = new ClaimsRepository();

let db: TestDatabases;
beforeAll(async () => {
  db = await openTestDatabases();
});
afterAll(() => db?.close());

/** Transactions that a test holds open; none outlives it. */
const held: (() => Promise<void>)[] = [];
afterEach(() => Promise.all(held.splice(0).map((giveUp) => giveUp())));

/** Resolves when a transaction has done `work` and stays open; the answer undoes it. */
async function holding(ctx: TenantContext, work: (tx: WriteContext) => Promise<unknown>): Promise<() => Promise<void>> {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let transaction = Promise.resolve<unknown>(undefined);
  await new Promise<void>((resolve, reject) => {
    transaction = db.sharding.write(ctx, async (tx) => {
      await work(tx);
      resolve();
      await opened;
      throw new Error('given up');
    });
    transaction.catch(reject);
  });
  const giveUp = async () => {
    open();
    await transaction.catch(() => undefined);
  };
  held.push(giveUp);
  return giveUp;
}

/** Resolves when exactly so many connections of the shard wait for a lock. */
async function waiting(expected: number): Promise<void> {
  const sql = `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  for (let look = 0; look < 400; look += 1) {
    const [row] = await db.asAdmin<{ n: number }>('shard-1', sql);
    if (row?.n === expected) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`never were ${expected} waiting`);
}

const claim = (resourceId: ResourceId, startMin: number, endMin: number): Share => ({
  resourceId,
  kind: 'room',
  lane: 1,
  startMin,
  endMin,
});
const inOrder = (): [ResourceId, ResourceId, ResourceId] =>
  [newId<ResourceId>(), newId<ResourceId>(), newId<ResourceId>()].sort() as [ResourceId, ResourceId, ResourceId];

/** Under a savepoint, as a booking does it. */
const taken = (ctx: TenantContext, wanted: readonly Share[]) =>
  db.sharding.write(ctx, async (tx) => {
    let refused: readonly Claim[] = [];
    await tx.db.attempt(async () => {
      refused = await claims.takeForVisit(tx, newId<AppointmentId>(), wanted);
      return refused.length === 0 ? true : undefined;
    });
    return refused;
  });

describe('taking time', () => {
  it('takes all that is free, and says exactly what is not', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    const [first, second, third] = inOrder();
    expect(await taken(ctx, [claim(second, 600, 660)])).toEqual([]);
    expect(await taken(ctx, [claim(third, 600, 660), claim(first, 600, 660), claim(second, 659, 700)])).toMatchObject([
      claim(second, 659, 700),
    ]);
    expect(await taken(ctx, [claim(third, 600, 660), claim(first, 600, 660), claim(second, 660, 700)])).toEqual([]);
    expect(await taken(ctx, [{ ...claim(second, 600, 660), lane: 2 }])).toEqual([]);
  });

  it('of one tenant says nothing about another’s', async () => {
    const [mine, other] = [await db.newTenant({ shardId: 'shard-1' }), await db.newTenant({ shardId: 'shard-1' })];
    const [resource] = inOrder();
    expect(await taken(mine, [claim(resource, 600, 660)])).toEqual([]);
    expect(await taken(other, [claim(resource, 600, 660)])).toEqual([]);
  });

  it('waits for whoever may yet give it back, and has it then', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    const [resource] = inOrder();
    const giveUp = await holding(ctx, (tx) =>
      claims.takeForVisit(tx, newId<AppointmentId>(), [claim(resource, 600, 660)]),
    );
    const hopeful = taken(ctx, [claim(resource, 630, 690)]);
    await waiting(1);
    await giveUp();
    expect(await hopeful).toEqual([]);
  });

  it('a booking that waits for a visit on the move lets go of what the visit wants: no circle', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    const [first, between, last] = inOrder();
    const before = await deadlocksSoFar(db);
    const visit = newId<AppointmentId>();
    const from = [claim(first, 600, 660), claim(last, 600, 660)];
    const to = [claim(first, 660, 720), claim(last, 660, 720)];
    await db.sharding.write(ctx, (tx) => claims.takeForVisit(tx, visit, from));
    const giveUp = await holding(ctx, (tx) =>
      claims.takeForVisit(tx, newId<AppointmentId>(), [claim(between, 660, 720)]),
    );
    const booking = taken(ctx, [claim(first, 660, 720), claim(between, 660, 720), claim(last, 630, 690)]);
    await waiting(1);
    const move = db.sharding.write(ctx, (tx) =>
      tx.db.attempt(async () => {
        claims.lock(tx, from);
        return (await claims.move(tx, visit, from, to)).length === 0 ? 'moved' : undefined;
      }),
    );
    await waiting(2);
    await giveUp();
    expect((await booking).map(({ resourceId }) => resourceId)).toEqual([last]);
    expect(await move).toBe('moved');
    expect(await deadlocksSoFar(db)).toBe(before);
  });
});

describe('the lock of a resource', () => {
  it('holds off moves and blocks, not bookings', async () => {
    const services = openServices(db);
    const clinic = await newClinic(db, services);
    const [provider] = clinic.resourceIds as [ResourceId];
    const day = Math.ceil(db.clock.now() / 86_400_000) * 86_400_000 + instantAt('1970-01-03T00:00:00Z');
    const [nine, eleven, three] = [9.25, 11, 15].map((hour) => day + hour * 3_600_000) as [number, number, number];
    const visit = await services.booking.book(clinic.ctx, bookingAt(clinic, nine));
    const giveUp = await holding(clinic.ctx, (tx) => {
      claims.lock(tx, [{ resourceId: provider }]);
      return tx.db.query('select 1');
    });
    let done = 0;
    const count = <T>(act: Promise<T>): Promise<T> =>
      act.finally(() => {
        done += 1;
      });
    const move = count(services.booking.reschedule(again(clinic.ctx), visit.id, 1, { start: eleven }));
    const startMin = three / 60_000;
    const block = count(
      services.calendar.createBlock(again(clinic.ctx), provider, { startMin, endMin: startMin + 60, reason: 'other' }),
    );
    await waiting(2);
    expect(await services.booking.book(again(clinic.ctx), bookingAt(clinic, day + 13 * 3_600_000))).toMatchObject({
      status: 'booked',
    });
    expect(done).toBe(0);
    await giveUp();
    expect(await move).toMatchObject({ startMin: eleven / 60_000, version: 2 });
    expect(await block).toMatchObject({ startMin });
    expect(await disagreements(db, clinic)).toEqual(noDisagreements);
  });
});
