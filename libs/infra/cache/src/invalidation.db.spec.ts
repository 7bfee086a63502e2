import { newId, type SeenWrite, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { CacheRig } from '../test/cache-rig.js';
import { Wire } from '../test/wire.js';
import { fail } from './cache.errors.js';
import { CompanyCache } from './company-cache.js';

let db: TestDatabases;
let ctx: TenantContext;
let neighbour: TenantContext;
/** Three processes on one Redis. */
let rigs: readonly CacheRig[] = [];
let here: CacheRig;
const oldest = 1_000;

beforeAll(async () => {
  db = await openTestDatabases();
  rigs = await Promise.all([CacheRig.start(db), CacheRig.start(db), CacheRig.start(db)]);
  here = rigs[0] as CacheRig;
});
beforeEach(async () => {
  [ctx, neighbour] = await Promise.all([db.newTenant(), db.newTenant()]);
});
afterAll(async () => {
  await Promise.all(rigs.map((rig) => rig.stop()));
  await db?.close();
});

const name = () => `n:${newId()}`;
const read = (rig: CacheRig, key: string, value: string, tags: readonly string[] = [], of = ctx) =>
  rig.cache.getOrSet(of, 'general', key, async () => value, { tags: () => tags });

/** Every process has it in memory. */
async function everywhere(key: string, tags: readonly string[] = [], of = ctx): Promise<void> {
  for (const rig of rigs) expect(await read(rig, key, 'old', tags, of)).toBe('old');
}

/** What each process says once it had its second, and no process says the old value later than that. */
async function saidAfter(forgotten: Promise<void>, keys: readonly string[], of = ctx): Promise<readonly string[]> {
  await forgotten;
  const at = Date.now();
  const late: string[] = [];
  const said = async () => {
    const all: string[] = [];
    for (const rig of rigs)
      for (const key of keys) {
        const begun = Date.now();
        const value = await read(rig, key, 'new', [], of);
        if (value === 'old' && begun - at > oldest) late.push(key);
        all.push(value);
      }
    return all;
  };
  await waitUntil(async () => !(await said()).includes('old'), 5_000);
  expect(late).toEqual([]);
  return said();
}

describe('what is forgotten by tag, strategy or tenant', () => {
  it('[C-015, D-037, D-039] a tag takes along every entry that has it, in every process within a second, and no other entry', async () => {
    const tag = `member:${newId()}`;
    const [one, two, other] = [name(), name(), name()];
    for (const key of [one, two]) await everywhere(key, [tag, 'all-members']);
    await everywhere(other, ['all-members']);
    await everywhere(one, [tag], neighbour);
    expect(await saidAfter(here.cache.forgetTag(ctx, tag), [one, two])).toEqual(Array(6).fill('new'));
    expect(await read(here, other, 'lost')).toBe('old');
    expect(await read(here, one, 'lost', [], neighbour)).toBe('old');
    const times: number[] = [];
    for (let n = 0; n < 100; n += 1) times.push(await heardAfterMs());
    expect(times.sort((a, b) => a - b)[98]).toBeLessThanOrEqual(100);
  });

  /** How long until another process loads anew what was forgotten here. */
  async function heardAfterMs(): Promise<number> {
    const [there] = [rigs[1] as CacheRig];
    const [key, tag] = [name(), `visit:${newId()}`];
    for (const rig of [here, there]) await read(rig, key, 'old', [tag]);
    const at = performance.now();
    const forgotten = here.cache.forgetTag(ctx, tag);
    while ((await read(there, key, 'new', [tag])) === 'old') await new Promise(setImmediate);
    await forgotten;
    return performance.now() - at;
  }

  it('[E-013] a company or a namespace is forgotten by three processes within a second, at the cost of one key whatever it holds', async () => {
    const few = new CompanyCache(here.cache, ctx);
    const costs: number[] = [];
    for (const count of [1, 10_000]) {
      const keys = Array.from({ length: count }, (_, n) => `k${n}:${count}`);
      const load = async () => 'old';
      for (let n = 0; n < keys.length; n += 500)
        await Promise.all(
          keys.slice(n, n + 500).map((key) => few.getOrSet(ctx.tenant.id, key, load, { namespace: 'ns', ttl: 60 })),
        );
      const sample = keys.slice(0, 3).map((key) => `ns:${key}`);
      for (const key of sample) await everywhere(key);
      const { commands, done } = counting(here);
      const forgotten = few.invalidateNamespace(ctx.tenant.id, 'ns');
      expect(await saidAfter(forgotten.then(done), sample)).toEqual(Array(3 * sample.length).fill('new'));
      costs.push(commands.length);
    }
    expect(costs[0]).toBe(costs[1]);
    const [mine, theirs] = [name(), name()];
    await everywhere(mine);
    await everywhere(theirs, [], neighbour);
    expect(await saidAfter(few.invalidateCompany(ctx.tenant.id), [mine])).toEqual(Array(3).fill('new'));
    expect(await read(here, theirs, 'lost', [], neighbour)).toBe('old');
    await everywhere(`again:${mine}`);
    expect(await saidAfter(here.cache.forgetStrategy(ctx, 'general'), [`again:${mine}`])).toEqual(Array(3).fill('new'));
    await expect(few.getOrSet(neighbour.tenant.id, 'k', async () => 1, { namespace: 'ns' })).rejects.toMatchObject({
      code: 'cache.key_invalid',
    });
  }, 60_000);

  it('[C-021, C-019] a change that commits is seen by every process, one that fails takes nothing away', async () => {
    const [tag, key] = [`row:${newId()}`, name()];
    await everywhere(key, [tag]);
    const change = async (works: boolean) => {
      await db.sharding.write(ctx, async (tx) => {
        await tx.db.query('select 1');
        if (!works) throw fail('cache.key_invalid');
      });
      await here.cache.forgetTag(ctx, tag);
    };
    await expect(change(false)).rejects.toThrow();
    for (const rig of rigs) expect(await read(rig, key, 'new', [tag])).toBe('old');
    expect(await saidAfter(change(true), [key])).toEqual(Array(3).fill('new'));
    await everywhere(`${key}:d`, [tag]);
    const [there] = [rigs[2] as CacheRig];
    const admin = db.redis.get('limits');
    await db.redis.ready('limits', 2_000);
    await admin.client('KILL', 'TYPE', 'PUBSUB');
    await here.cache.forgetTag(ctx, tag);
    expect(await waitUntil(async () => (await read(there, `${key}:d`, 'new', [tag])) === 'new', 10_000)).toBe(true);
    for (const rig of rigs) expect(await rig.hears()).toBe(true);
  });

  it('stays forgotten where Redis lost what it knew of it', async () => {
    const [tag, key] = [`row:${newId()}`, name()];
    await everywhere(key, [tag]);
    const redis = here.redis.get('cache');
    const stored = await redis.getBuffer(`c1:{t:${ctx.tenant.id}}:general:${key}`);
    await here.cache.forgetTag(ctx, tag);
    const versions = await redis.keys(`c1:{t:${ctx.tenant.id}}#*`);
    expect(versions).toHaveLength(3);
    await redis.del(...versions);
    await redis.set(`c1:{t:${ctx.tenant.id}}:general:${key}`, stored as Buffer, 'PX', 60_000);
    for (const rig of rigs) expect(await read(rig, key, 'new', [tag])).toBe('new');
  });
});

/** Names of the commands a process sends for its cache, but not its beats, until `done`. */
function counting(rig: CacheRig) {
  const connection = rig.redis.get('cache');
  const send = connection.sendCommand.bind(connection) as (...args: unknown[]) => unknown;
  const commands: string[] = [];
  Object.assign(connection, {
    sendCommand: (command: { readonly name: string }, ...rest: unknown[]) => {
      if (command.name !== 'publish') commands.push(command.name);
      return send(command, ...rest);
    },
  });
  return { commands, done: () => void Reflect.deleteProperty(connection, 'sendCommand') };
}

describe('a changed entity is never served from cache', () => {
  const write = (position: bigint, lineage = '7-1'): SeenWrite => ({ database: 'shard-1', position, lineage });
  const knowing = (seen: SeenWrite | 'unknown' | null): TenantContext => ({
    ...ctx,
    consistency: { seen, written: null },
  });

  it('to a request that carries the write’s consistency token, on any process, though nothing was forgotten yet', async () => {
    const key = name();
    await everywhere(key);
    const loads: string[] = [];
    const ask = (rig: CacheRig, of: TenantContext, value: string) =>
      rig.cache.getOrSet(of, 'general', key, async () => {
        loads.push(value);
        return value;
      });
    for (const [n, rig] of rigs.entries()) {
      expect(await ask(rig, knowing(write(10n + BigInt(n))), `after ${n}`)).toBe(`after ${n}`);
      expect(await ask(rig, knowing(write(5n)), 'lost')).toBe(`after ${n}`);
      expect(await ask(rig, knowing(write(10n + BigInt(n))), 'lost')).toBe(`after ${n}`);
    }
    expect(loads).toEqual(['after 0', 'after 1', 'after 2']);
    expect(await ask(here, knowing(write(5n, '8-1')), 'another lineage')).toBe('another lineage');
    expect(await ask(here, knowing('unknown'), 'nobody can tell')).toBe('nobody can tell');
    expect(await ask(here, knowing(write(5n)), 'not known to be newer')).toBe('not known to be newer');
  });

  it('nor does such a request wait for a load that began without it', async () => {
    const key = name();
    let finish = (_: string) => {};
    const slow = here.cache.getOrSet(ctx, 'general', key, () => new Promise<string>((resolve) => (finish = resolve)));
    const [there] = [rigs[1] as CacheRig];
    for (const rig of [here, there])
      expect(await rig.cache.getOrSet(knowing(write(3n)), 'general', key, async () => 'new')).toBe('new');
    finish('old');
    expect(await slow).toBe('old');
  });

  it('and at most 1 s later to anyone, when nothing reaches the process any more', async () => {
    const wire = await Wire.to(String(db.env.REDIS_URL));
    const cutOff = await CacheRig.start(db, { env: { REDIS_URL: wire.url } });
    try {
      for (let round = 0; round < 3; round += 1) {
        expect(await cutOff.hears()).toBe(true);
        const tag = `member:${newId()}`;
        let key = '';
        const shared = async () => {
          key = name();
          await everywhere(key, [tag]);
          return (await read(cutOff, key, 'mine', [tag])) === 'old';
        };
        expect(await waitUntil(shared, 15_000)).toBe(true);
        wire.cut();
        await here.cache.forgetTag(ctx, tag);
        const at = Date.now();
        const late: number[] = [];
        const isNew = async () => {
          const begun = Date.now();
          const value = await read(cutOff, key, 'new', [tag]);
          if (value === 'old' && begun - at > oldest) late.push(begun - at);
          return value === 'new';
        };
        expect(await waitUntil(isNew, 10_000)).toBe(true);
        expect(late).toEqual([]);
        wire.mend();
      }
    } finally {
      await cutOff.stop();
      await wire.close();
    }
  }, 60_000);
});
