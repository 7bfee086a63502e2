import { setTimeout as sleep } from 'node:timers/promises';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { admit, killedAt, moverOf } from '../test/moving.js';
import { abortMove, installationOf, rebalancePlan, setShardState } from './index.js';

let db: TestDatabases;
beforeAll(async () => {
  db = await openTestDatabases();
});
afterAll(() => db?.close());

const shardIn = async (id: string) => (await installationOf(moverOf(db))).shards.find((shard) => shard.id === id);

describe('the list of shards', () => {
  it('says how each one is, and stops at none that is away', async () => {
    await db.newTenant({ shardId: 'shard-1' });
    const options = moverOf(db);
    const [first] = options.shards;
    const { shards } = await installationOf({ ...options, shards: first ? [first] : [] });
    expect(shards.map(({ id, error }) => [id, error])).toEqual([
      ['shard-1', null],
      ['shard-2', 'its address is not configured here'],
    ]);
    expect(shards[0]).toMatchObject({
      state: 'active',
      weight: 100,
      tenants: 1,
      schemaVersion: expect.stringMatching(/^\d{13}$/),
    });
    // A replica hears of a database that was made a moment ago a moment later.
    while ((await shardIn('shard-1'))?.replicas[0]?.lagBytes === null) await sleep(50);
    expect((await shardIn('shard-1'))?.replicas).toEqual([{ name: 'replica-1', lagBytes: expect.any(Number) }]);
    expect(shards[0]?.bytes).toBeGreaterThan(1_000_000);
  });

  it('shows a move with the step at which it stopped', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await admit(db, ctx);
    await killedAt(db, ctx, 'shard-2', 'proving');
    const { moves } = await installationOf(moverOf(db));
    expect(moves).toEqual([
      expect.objectContaining({
        source: 'shard-1',
        target: 'shard-2',
        step: 'proving',
        rows: 3,
        rowsCopied: 3,
        error: null,
      }),
    ]);
    await abortMove(moverOf(db), ctx.tenant.id);
    expect((await installationOf(moverOf(db))).moves).toEqual([]);
  });

  it('takes a shard out of the placement of new tenants and in again, any number of times', async () => {
    for (let n = 0; n < 2; n += 1) await setShardState(moverOf(db), 'shard-1', { state: 'draining' });
    const placed = await Promise.all(Array.from({ length: 8 }, () => db.newTenant()));
    for (const { tenant } of placed)
      expect(await db.sharding.tenants.byId(tenant.id)).toMatchObject({ shardId: 'shard-2' });
    for (let n = 0; n < 2; n += 1) await setShardState(moverOf(db), 'shard-1', { state: 'active', weight: 150 });
    expect(await shardIn('shard-1')).toMatchObject({ state: 'active', weight: 150 });
    const unknown = setShardState(moverOf(db), 'shard-7', { state: 'draining' });
    await expect(unknown).rejects.toMatchObject({ code: 'move.refused' });
    const unreachable = setShardState(moverOf(db), 'shard-7', { state: 'active' });
    await expect(unreachable).rejects.toMatchObject({ code: 'move.refused' });
  });

  it('plans where the tenants of a draining shard go', async () => {
    await setShardState(moverOf(db), 'shard-2', { state: 'draining' });
    const { moves } = await rebalancePlan(moverOf(db));
    expect(moves.filter(({ why }) => why === 'draining').length).toBe((await shardIn('shard-2'))?.tenants);
    expect(moves.every(({ from, to }) => from === 'shard-2' && to === 'shard-1')).toBe(true);
    await setShardState(moverOf(db), 'shard-2', { state: 'active' });
  });
});
