import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { FixedClock, newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, projectRoot, type TestDatabases, waitUntil } from '#infra/testing';
import { CacheRig } from '../test/cache-rig.js';
import { Cached } from './cached.js';
import { Memory } from './memory.js';
import { type StrategyName, strategyNames } from './strategies.js';

let db: TestDatabases;
let ctx: TenantContext;
let neighbour: TenantContext;
/** Two processes on one Redis. */
let here: CacheRig;
let there: CacheRig;
const more: CacheRig[] = [];

beforeAll(async () => {
  db = await openTestDatabases();
  [ctx, neighbour] = await Promise.all([db.newTenant(), db.newTenant()]);
  [here, there] = await Promise.all([CacheRig.start(db), CacheRig.start(db)]);
});
afterEach(() => Promise.all(more.splice(0).map((rig) => rig.stop())));
afterAll(async () => {
  await Promise.all([here?.stop(), there?.stop()]);
  await db?.close();
});

async function another(env: Record<string, string> = {}, clock?: FixedClock): Promise<CacheRig> {
  const rig = await CacheRig.start(db, clock === undefined ? { env } : { env, clock });
  more.push(rig);
  return rig;
}

const name = () => `n:${newId()}`;
const textOf = (strategy: StrategyName, key: string, of = ctx) => `c1:{t:${of.tenant.id}}:${strategy}:${key}`;

/** A source that counts how often it is asked. */
function source<T>(value: T) {
  const asked = { times: 0 };
  const load = async () => {
    asked.times += 1;
    return value;
  };
  return { asked, load };
}

/** Names of the commands that a process sends to Redis for its cache, but not its beats. */
function commandsOf(rig: CacheRig): string[] {
  const connection = rig.redis.get('cache');
  const send = connection.sendCommand.bind(connection) as (...args: unknown[]) => unknown;
  const sent: string[] = [];
  const watched = (command: { readonly name: string }, ...rest: unknown[]) => {
    if (command.name !== 'publish') sent.push(command.name);
    return send(command, ...rest);
  };
  Object.assign(connection, { sendCommand: watched });
  return sent;
}

describe('a read', () => {
  it('[B-022, C-014] that this process made before asks Redis nothing', async () => {
    const key = name();
    const { asked, load } = source({ a: [1, 'b'] });
    expect(await here.cache.getOrSet(ctx, 'general', key, load)).toEqual({ a: [1, 'b'] });
    const sent = commandsOf(here);
    expect(await here.cache.getOrSet(ctx, 'general', key, load)).toEqual({ a: [1, 'b'] });
    expect([sent, asked.times]).toEqual([[], 1]);
  });

  it('[B-016, B-023, B-024, C-014] that nobody made before comes from the database itself, what another process made from Redis, then from memory', async () => {
    const key = name();
    const shard = () => db.sharding.read(ctx, (tx) => tx.db.query<{ n: number }>('select 1 as n'));
    expect(await here.cache.getOrSet(ctx, 'general', key, shard)).toEqual([{ n: 1 }]);
    const { asked, load } = source([{ n: 2 }]);
    expect(await there.cache.getOrSet(ctx, 'general', key, load)).toEqual([{ n: 1 }]);
    const sent = commandsOf(there);
    expect(await there.cache.getOrSet(ctx, 'general', key, load)).toEqual([{ n: 1 }]);
    expect([sent, asked.times]).toEqual([[], 0]);
  });

  it('of a hundred who want the same at once loads once, and where that fails once more for the rest', async () => {
    const { asked, load } = source(Buffer.from('picture'));
    const many = <T>(key: string, loader: () => Promise<T>) =>
      Promise.allSettled(Array.from({ length: 100 }, () => here.cache.getOrSet(ctx, 'qrCodes', key, loader)));
    const seen = await many(name(), load);
    expect(asked.times).toBe(1);
    expect(seen.every((each) => each.status === 'fulfilled' && each.value.equals(Buffer.from('picture')))).toBe(true);
    let tries = 0;
    const failing = async () => {
      tries += 1;
      throw new Error('the source is away');
    };
    const failed = await many(name(), failing);
    expect(failed.every(({ status }) => status === 'rejected')).toBe(true);
    expect(tries).toBe(2);
  });

  it('keeps nothing of a load that failed', async () => {
    const key = name();
    const failing = () => here.cache.getOrSet(ctx, 'general', key, () => Promise.reject(new Error('away')));
    await expect(failing()).rejects.toThrow('away');
    expect(await here.redis.get('cache').exists(textOf('general', key))).toBe(0);
    expect(await here.cache.getOrSet(ctx, 'general', key, source('now').load)).toBe('now');
  });

  it('[C-018] of a decorated method that is called a hundred times at once runs it once', async () => {
    class Report {
      runs = 0;
      constructor(readonly cache = here.cache) {}
      @Cached('general', (year: number) => `report:${year}:${ctx.requestId}`)
      async of(_: TenantContext, year: number): Promise<{ readonly year: number }> {
        this.runs += 1;
        return { year };
      }
    }
    const report = new Report();
    const all = await Promise.all(Array.from({ length: 100 }, () => report.of(ctx, 2026)));
    expect([report.runs, all[99]]).toEqual([1, { year: 2026 }]);
    expect([await report.of(ctx, 2027), report.runs]).toEqual([{ year: 2027 }, 2]);
  });

  it('[C-070] goes to its source each time where ENABLE_CACHING is false, and is right', async () => {
    const off = await another({ ENABLE_CACHING: 'false' });
    const key = name();
    let n = 0;
    const read = () => off.cache.getOrSet(ctx, 'general', key, async () => ({ n: ++n }));
    expect([await read(), await read(), await read()]).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    await off.cache.forget(ctx, 'general', key);
    expect(await here.redis.get('cache').keys(`*${key}*`)).toEqual([]);
    expect(await off.requests()).toEqual({ 'general source loaded': 3 });
  });

  it('[E-009] of one tenant never shows what another one has, under whatever name', async () => {
    const names = fc.stringMatching(/^[a-z0-9:_-]{1,60}$/);
    const strategy = fc.constantFrom(...strategyNames);
    await fc.assert(
      fc.asyncProperty(strategy, names, async (kind, each) => {
        const mine = `${each.slice(0, 30)}${name()}`;
        await here.cache.getOrSet(ctx, kind, mine, source('mine').load);
        for (const rig of [here, there])
          expect(await rig.cache.getOrSet(neighbour, kind, mine, source('theirs').load)).toBe('theirs');
        for (const rig of [here, there])
          expect(await rig.cache.getOrSet(ctx, kind, mine, source('none').load)).toBe('mine');
      }),
      { numRuns: 25 },
    );
  });
});

describe('an entry in Redis', () => {
  it.each([
    ['B-025', 'memberData', 3_600],
    ['B-026', 'cardData', 1_800],
    ['B-027', 'qrCodes', 14_400],
    ['B-028', 'pdfCards', 3_600],
    ['E-011', 'general', 300],
  ] as const)('[%s] of %s lives %i seconds, a tenth more or less', async (_, strategy, ttlS) => {
    const ttls: number[] = [];
    for (let n = 0; n < 20; n += 1) {
      const key = name();
      await here.cache.getOrSet(ctx, strategy, key, source('x').load);
      ttls.push(await here.redis.get('cache').pttl(textOf(strategy, key)));
    }
    for (const ttl of ttls) expect(Math.abs(ttl - ttlS * 1_000)).toBeLessThanOrEqual(ttlS * 100 + 2_000);
    expect(new Set(ttls.map((ttl) => Math.round(ttl / 1_000))).size).toBeGreaterThan(5);
    const { entries } = here.cache.stats(ctx).strategies[strategy].memory;
    expect(entries === 0).toBe(strategy === 'pdfCards');
  });

  it('stays in memory no longer than Redis has it', async () => {
    const key = name();
    await here.cache.getOrSet(ctx, 'general', key, source('old').load);
    await here.redis.get('cache').pexpire(textOf('general', key), 300);
    expect(await there.cache.getOrSet(ctx, 'general', key, source('new').load)).toBe('old');
    const renewed = async () => (await there.cache.getOrSet(ctx, 'general', key, source('new').load)) === 'new';
    expect(await waitUntil(renewed, 5_000)).toBe(true);
  });

  it('[C-147] of a strategy for personal data shows no word of it to whoever reads all of Redis', async () => {
    const planted = 'Zebulon Quirkheim';
    for (const strategy of ['memberData', 'cardData', 'qrCodes', 'pdfCards'] as const)
      await here.cache.getOrSet(ctx, strategy, name(), source({ name: planted }).load);
    await here.cache.getOrSet(ctx, 'general', name(), source({ name: 'no person' }).load);
    const connection = here.redis.get('cache');
    const keys = await connection.keys(`c1:{t:${ctx.tenant.id}}:*`);
    const values = await Promise.all(keys.map((key) => connection.getBuffer(key)));
    const found = (word: string) => values.filter((value) => value?.includes(word)).length;
    expect([found('Zebulon'), found('Quirkheim'), found('no person')]).toEqual([0, 0, 1]);
  });

  it('[C-149] that somebody changed is a miss, is counted, leaves Redis, and stands in the tenant’s audit', async () => {
    const key = name();
    const text = textOf('memberData', key);
    await here.cache.getOrSet(ctx, 'memberData', key, source({ right: true }).load);
    const connection = here.redis.get('cache');
    const stored = await connection.getBuffer(text);
    if (!stored) throw new Error('not stored');
    stored[stored.length - 1] = (stored.at(-1) ?? 0) ^ 1;
    await connection.set(text, stored, 'PX', 60_000);
    const rig = await another();
    const asked = { ...ctx, requestId: newId() };
    const read = () => rig.cache.getOrSet(asked, 'memberData', key, source({ right: true, fresh: true }).load);
    expect(await read()).toEqual({ right: true, fresh: true });
    expect(await rig.requests()).toMatchObject({ 'memberData redis refused': 1, 'memberData source loaded': 1 });
    const events = (database: string) =>
      db.asAdmin<{ tenant: string }>(
        database,
        `select action, outcome, actor_type as actor, actor_id as name, tenant_id as tenant
           from audit_event where request_id = $1`,
        [asked.requestId],
      );
    const audited = async () => (await Promise.all(['shard-1', 'shard-2'].map(events))).flat();
    expect(await waitUntil(async () => (await audited()).length > 0, 5_000)).toBe(true);
    expect(await audited()).toEqual([
      { action: 'cache.refused', outcome: 'failure', actor: 'system', name: 'cache', tenant: ctx.tenant.id },
    ]);
    expect(await waitUntil(async () => (await connection.exists(text)) === 0, 5_000)).toBe(true);
    expect(rig.lines.join('')).toContain('cache.entry_refused');
    expect(rig.lines.join('')).not.toContain(key);
  });

  it('[A-028, C-150] always has an end, leaves by itself, and memory stays in its bounds whatever comes', async () => {
    const rig = await another({
      CACHE_TTL_DEFAULT: '2',
      CACHE_MEMORY_MAX_ENTRIES: '5000',
      CACHE_MEMORY_MAX_BYTES: '1048576',
    });
    const memory = new Memory({ maxEntries: 5_000, maxBytes: 1_048_576 }, new FixedClock(1));
    let most = { entries: 0, bytes: 0 };
    const origin = { clockUs: 1, ttlMs: 60_000, costMs: 1, seen: null, tags: [] };
    const [usual, large] = [Buffer.alloc(8), Buffer.alloc(4_096)];
    for (let n = 0; n < 1_000_000; n += 1) {
      const packed = n % 50 === 0 ? large : usual;
      memory.put(
        `k${n}`,
        { strategy: 'general', packed, origin, epoch: 0, mark: 0, scopes: [], freshUntil: 60_001 },
        60_000,
      );
      const { entries, bytes } = memory.total;
      most = { entries: Math.max(most.entries, entries), bytes: Math.max(most.bytes, bytes) };
    }
    expect(most.entries).toBeGreaterThan(1_000);
    expect(most.entries).toBeLessThanOrEqual(5_000);
    expect(most.bytes).toBeLessThanOrEqual(1_048_576);
    const keys = Array.from({ length: 50 }, name);
    await Promise.all(keys.map((key) => rig.cache.getOrSet(ctx, 'general', key, source('x').load)));
    const texts = keys.map((key) => textOf('general', key));
    expect(await rig.redis.get('cache').exists(...texts)).toBe(50);
    await rig.cache.forget(ctx, 'general', name());
    const connection = rig.redis.get('cache');
    const own = await connection.keys(`c1:{t:${ctx.tenant.id}}*`);
    expect(own.length).toBeGreaterThanOrEqual(50);
    for (const key of own) expect([key, await connection.pttl(key)]).not.toEqual([key, -1]);
    expect(await waitUntil(async () => (await connection.exists(...texts)) === 0, 5_000)).toBe(true);
  });
});

describe('what is forgotten', () => {
  it('is loaded anew here at once, elsewhere within a second, and nowhere else is anything lost', async () => {
    const [key, other] = [name(), name()];
    for (const rig of [here, there])
      for (const each of [key, other]) await rig.cache.getOrSet(ctx, 'general', each, source('old').load);
    await here.cache.forget(ctx, 'general', key);
    const { asked, load } = source('new');
    expect(await here.cache.getOrSet(ctx, 'general', key, load)).toBe('new');
    const heard = async () => (await there.cache.getOrSet(ctx, 'general', key, load)) === 'new';
    expect(await waitUntil(heard, 1_000)).toBe(true);
    expect(asked.times).toBe(1);
    const sent = commandsOf(there);
    expect(await there.cache.getOrSet(ctx, 'general', other, load)).toBe('old');
    expect(sent).toEqual([]);
  });

  it('does not come back by a load that began before, in this process or in another one', async () => {
    for (const loading of [here, there]) {
      const key = name();
      let finish = (_: string) => {};
      let begun = () => {};
      const started = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const slow = loading.cache.getOrSet(ctx, 'general', key, () => {
        begun();
        return new Promise<string>((resolve) => {
          finish = resolve;
        });
      });
      await started;
      await here.cache.forget(ctx, 'general', key);
      const fresh = await here.cache.getOrSet(ctx, 'general', key, source('new').load);
      finish('old');
      expect([fresh, await slow]).toEqual(['new', 'old']);
      for (const rig of [here, there])
        expect(await rig.cache.getOrSet(ctx, 'general', key, source('newer').load)).toBe('new');
    }
  });

  it('is noticed by a process that missed the message, as soon as it hears the next beat', async () => {
    const key = name();
    for (const rig of [here, there]) await rig.cache.getOrSet(ctx, 'general', key, source('old').load);
    const admin = db.redis.get('limits');
    await db.redis.ready('limits', 2_000);
    const subscribers = String(await admin.client('LIST', 'TYPE', 'PUBSUB'))
      .trim()
      .split('\n').length;
    expect(subscribers).toBeGreaterThanOrEqual(2);
    await admin.client('KILL', 'TYPE', 'PUBSUB');
    await here.cache.forget(ctx, 'general', key);
    const { load } = source('new');
    const noticed = async () => (await there.cache.getOrSet(ctx, 'general', key, load)) === 'new';
    expect(await waitUntil(noticed, 10_000)).toBe(true);
    expect(await Promise.all([here.hears(), there.hears()])).toEqual([true, true]);
  });

  it('reaches Redis later where Redis could not take it, and is not read from there meanwhile', async () => {
    const key = name();
    for (const rig of [here, there]) await rig.cache.getOrSet(ctx, 'general', key, source('old').load);
    const connection = here.redis.get('cache');
    const del = connection.del.bind(connection) as (...args: unknown[]) => Promise<unknown>;
    let attempts = 0;
    const flaky = (...args: unknown[]) => {
      attempts += 1;
      return attempts <= 2 ? Promise.reject(new Error('gone')) : del(...args);
    };
    Object.assign(connection, { del: flaky });
    await here.cache.forget(ctx, 'general', key);
    expect(await here.cache.getOrSet(ctx, 'general', key, source('new').load)).toBe('new');
    const heard = async () => (await there.cache.getOrSet(ctx, 'general', key, source('newer').load)) !== 'old';
    expect(await waitUntil(heard, 5_000)).toBe(true);
    Reflect.deleteProperty(connection, 'del');
    expect(attempts).toBe(3);
  });
});

describe('counts', () => {
  it('[A-027, A-072, B-052, B-086, C-017, C-109] move by exactly the reads made, in the tier that answered and no other strategy', async () => {
    const [one, two] = [await another(), await another()];
    const key = name();
    const read = (rig: CacheRig, strategy: StrategyName) => rig.cache.getOrSet(ctx, strategy, key, source('x').load);
    await read(one, 'memberData');
    expect(await one.requests()).toEqual({
      'memberData memory miss': 1,
      'memberData redis miss': 1,
      'memberData source loaded': 1,
    });
    for (let n = 0; n < 3; n += 1) await read(one, 'memberData');
    await read(two, 'memberData');
    await Promise.all(Array.from({ length: 5 }, () => read(two, 'cardData')));
    expect(await one.requests()).toMatchObject({ 'memberData memory hit': 3, 'memberData memory miss': 1 });
    expect(await two.requests()).toEqual({
      'memberData memory miss': 1,
      'memberData redis hit': 1,
      'cardData memory miss': 5,
      'cardData flight joined': 4,
      'cardData redis miss': 1,
      'cardData source loaded': 1,
    });
    const { strategies, tenant } = one.cache.stats(ctx);
    expect(strategies.memberData).toMatchObject({ hits: 3, misses: 1, hitRate: 0.75, memory: { entries: 1 } });
    expect(strategies.memberData.redis.bytesWritten).toBe(two.cache.stats(ctx).strategies.memberData.redis.bytesRead);
    expect(tenant).toEqual({ hits: 3, misses: 1, hitRate: 0.75 });
    expect(one.cache.stats(neighbour).tenant).toEqual({ hits: 0, misses: 0, hitRate: null });
    const { body } = await one.metrics.expose();
    expect(body).toContain('cache_memory_entries{strategy="memberData"} 1');
    const { bytes } = strategies.memberData.memory;
    expect(body).toContain(`cache_memory_bytes{strategy="memberData"} ${bytes}`);
    const dashboards = join(projectRoot(), 'deploy/grafana/dashboards');
    const panels = readdirSync(dashboards).flatMap(
      (file) => JSON.parse(readFileSync(join(dashboards, file), 'utf8')).panels,
    );
    expect(panels.filter((panel) => JSON.stringify(panel).includes('cache_requests_total')).length).toBeGreaterThan(0);
  });
});
