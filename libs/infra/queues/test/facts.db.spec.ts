import { newId, type TenantContext, toDate } from '#infra/kernel';
import type { SystemContext } from '#infra/sharding';
import { waitUntil } from '#infra/testing';
import { Catalogue } from '../src/catalogue.js';
import { factBatch, unknownRestMs } from '../src/fact-relay.js';
import { giveNumbers, selectUnnumbered, selectUnpublished } from '../src/facts.repository.js';
import { Nudge, nudgeChannel, onNudge } from '../src/nudge.js';
import { removePublishedFacts } from '../src/outbox-sweep.js';
import { FactRig, found, lost, Recorder, thingsIn, upTo } from './fact-rig.js';

const hourMs = 3_600_000;

let rig: FactRig;
let ctx: TenantContext;
let other: TenantContext;
let sink: Recorder;
beforeAll(async () => {
  rig = await FactRig.open();
});
beforeEach(async () => {
  await rig.clear();
  sink = new Recorder();
  ctx = await rig.databases.newTenant({ shardId: 'shard-2' });
  other = await rig.databases.newTenant({ shardId: 'shard-2' });
});
afterAll(() => rig.close());

const said = (text: string) => rig.lines.filter((line) => line.includes(text));
const inShard2 = async <T>(fn: (system: SystemContext) => Promise<T>): Promise<T> => {
  const [result] = await rig.databases.sharding.eachShard(rig.databases.newContext(), fn, { only: 'shard-2' });
  if (result?.error !== undefined) throw result.error;
  return result?.value as T;
};

describe('facts', () => {
  it('are counted 1, 2, 3 … for each tenant, in the order of writing, on every shard', async () => {
    const elsewhere = await rig.databases.newTenant({ shardId: 'shard-1' });
    const first = await rig.tell(ctx, found, 3);
    await rig.tell(other, found, 2);
    await rig.tell(elsewhere);
    const relay = rig.newRelay(sink);
    await relay.pass();
    const second = await rig.tell(ctx, lost, 2);
    await relay.pass();
    expect(sink.numbersOf(ctx)).toEqual([1, 2, 3, 4, 5]);
    expect(thingsIn(sink.brought, ctx.tenant.id)).toEqual([...first, ...second]);
    expect(sink.numbersOf(other)).toEqual([1, 2]);
    expect(sink.numbersOf(elsewhere)).toEqual([1]);
    expect(sink.brought.find(({ seq, tenantId }) => seq === 4 && tenantId === ctx.tenant.id)).toEqual({
      tenantId: ctx.tenant.id,
      seq: 4,
      name: 'thing.lost',
      at: rig.clock.now(),
      permission: 'things.read',
      rooms: [{ of: 'tenant' }],
      payload: { thingId: second[0] },
    });
    expect((await rig.facts(ctx)).every(({ published }) => published)).toBe(true);
  });

  it('have no gap and no double, though many commit and roll back while two relays run', async () => {
    const [one, two] = [rig.newRelay(sink), rig.newRelay(sink)];
    let writing = true;
    const relay = async (each: typeof one) => {
      while (writing) await each.pass();
    };
    const relaying = [relay(one), relay(two)];
    const committed = { [ctx.tenant.id]: 0, [other.tenant.id]: 0 };
    const write = async (writer: number) => {
      for (let n = 0; n < 30; n += 1) {
        const who = (writer + n) % 2 === 0 ? ctx : other;
        const undone = (writer + n) % 5 === 0;
        await rig.databases.sharding
          .write(who, async (tx) => {
            for (const thingId of [newId(), newId()]) await rig.outbox.append(tx, found.entry(thingId, { thingId }));
            await tx.db.query('select pg_sleep($1)', [((writer * 7 + n) % 4) / 1_000]);
            if (undone) throw new Error('undone');
            committed[who.tenant.id] = (committed[who.tenant.id] ?? 0) + 2;
          })
          .catch((error: unknown) => expect(undone && error).toMatchObject({ message: 'undone' }));
      }
    };
    await Promise.all(upTo(8).map(write));
    writing = false;
    await Promise.all(relaying);
    while (await one.pass());
    for (const who of [ctx, other]) {
      const count = committed[who.tenant.id] as number;
      expect(count).toBeGreaterThan(100);
      expect(await rig.numbers(who)).toEqual(upTo(count));
      expect(sink.numbersOf(who)).toEqual(upTo(count));
    }
  });

  it('of a transaction that commits late come after those that were told before, whatever their ids say', async () => {
    const relay = rig.newRelay(sink);
    const late = newId();
    let early: string[] = [];
    await rig.databases.sharding.write(ctx, async (tx) => {
      await rig.outbox.append(tx, found.entry(late, { thingId: late }));
      await tx.db.query('select 1');
      early = await rig.tell(ctx);
      await relay.pass();
    });
    await relay.pass();
    expect(thingsIn(sink.brought, ctx.tenant.id)).toEqual([...early, late]);
    expect(sink.numbersOf(ctx)).toEqual([1, 2]);
  });

  it('of a transaction that is undone leave no gap', async () => {
    const relay = rig.newRelay(sink);
    await rig.tell(ctx);
    const undone = rig.databases.sharding.write(ctx, async (tx) => {
      await rig.outbox.append(tx, found.entry('k', { thingId: newId() }));
      await tx.db.query('select 1');
      await relay.pass();
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await rig.tell(ctx);
    await relay.pass();
    expect(sink.numbersOf(ctx)).toEqual([1, 2]);
  });

  it('keep their numbers when the relay ends between numbering and publishing', async () => {
    sink.before = () => Promise.reject(new Error('Redis is away'));
    const things = await rig.tell(ctx, found, 3);
    await rig.newRelay(sink).pass();
    expect((await rig.facts(ctx)).map(({ seq, published }) => [seq, published])).toEqual([
      [1, false],
      [2, false],
      [3, false],
    ]);
    sink.before = () => undefined;
    things.push(...(await rig.tell(ctx)));
    await rig.newRelay(sink).pass();
    expect(sink.numbersOf(ctx)).toEqual([1, 2, 3, 4]);
    expect(thingsIn(sink.brought, ctx.tenant.id)).toEqual(things);
  });

  it('are brought again with the same numbers when the relay ends between publishing and marking', async () => {
    const things = await rig.tell(ctx, found, 2);
    let deaths = 1;
    sink.before = async () => {
      if (deaths === 0) return;
      deaths -= 1;
      await rig.databases.asAdmin(
        'shard-2',
        `select pg_terminate_backend(pid) from pg_stat_activity
          where usename = 'praxis_relay' and datname = current_database()`,
      );
    };
    await rig.newRelay(sink).pass();
    expect(sink.numbersOf(ctx)).toEqual([1, 2]);
    expect((await rig.facts(ctx)).every(({ published }) => !published)).toBe(true);
    await rig.newRelay(sink).pass();
    expect(sink.numbersOf(ctx)).toEqual([1, 2, 1, 2]);
    expect(thingsIn(sink.brought, ctx.tenant.id)).toEqual([...things, ...things]);
    expect((await rig.facts(ctx)).every(({ published }) => published)).toBe(true);
  });

  it('of before there were numbers are counted too, and those of a removed past stay counted', async () => {
    await rig.databases.asAdmin(
      'shard-2',
      `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
       select $1, gen_random_uuid(), 'fact', 'thing.found', 'k', jsonb_build_object('thingId', gen_random_uuid()), 'r', $2, $2
         from generate_series(1, $3)`,
      [ctx.tenant.id, toDate(rig.clock.now() - 100 * hourMs), factBatch + 1],
    );
    const relay = rig.newRelay(sink);
    expect(await relay.pass()).toBe(true);
    expect(await relay.pass()).toBe(false);
    expect(sink.numbersOf(ctx)).toEqual(upTo(factBatch + 1));
    await rig.databases.asAdmin('shard-2', 'delete from outbox');
    await rig.tell(ctx);
    await relay.pass();
    expect(sink.numbersOf(ctx).at(-1)).toBe(factBatch + 2);
  });

  it('are removed a day after they were published, in batches; unpublished ones are not', async () => {
    await rig.tell(ctx, found, 5);
    await rig.newRelay(sink).pass();
    rig.clock.advance(23 * hourMs);
    await rig.tell(ctx, found, 2);
    await rig.newRelay(sink).pass();
    sink.before = () => Promise.reject(new Error('Redis is away'));
    await rig.tell(ctx);
    await rig.newRelay(sink).pass();
    await rig.tell(ctx);
    const sweep = (limit: number) => inShard2((system) => removePublishedFacts(system, rig.clock.now(), limit));
    expect(await sweep(3)).toBe(0);
    rig.clock.advance(hourMs + 1);
    expect([await sweep(3), await sweep(3), await sweep(3)]).toEqual([3, 2, 0]);
    expect(await rig.numbers(ctx)).toEqual([6, 7, 8, null]);
    rig.clock.advance(1_000 * hourMs);
    expect(await sweep(100)).toBe(2);
    expect(await rig.numbers(ctx)).toEqual([8, null]);
  });
});

describe('a relay of facts', () => {
  it('leaves a fact that it does not know to a newer one, says so once, and goes on with all others', async () => {
    const older = rig.newRelay(sink, new Catalogue({ facts: [found] }));
    await rig.tell(ctx, lost);
    await rig.tell(ctx, found);
    await rig.tell(other, found);
    await older.pass();
    await older.pass();
    expect(sink.numbersOf(ctx)).toEqual([1]);
    expect(sink.numbersOf(other)).toEqual([1]);
    expect(said('outbox.fact_unknown')).toHaveLength(1);
    rig.clock.advance(unknownRestMs);
    await older.pass();
    expect(await rig.numbers(ctx)).toEqual([1, null]);
    expect(said('outbox.fact_unknown')).toHaveLength(1);
    rig.clock.advance(unknownRestMs);
    await rig.newRelay(sink).pass();
    expect(sink.brought.at(-1)).toMatchObject({ tenantId: ctx.tenant.id, seq: 2, name: 'thing.lost' });
  });

  it('holds a tenant’s facts back behind one that only a newer relay knows, and no other tenant’s', async () => {
    const refuse = new Recorder();
    refuse.before = () => Promise.reject(new Error('Redis is away'));
    for (const fact of [found, lost, found]) await rig.tell(ctx, fact);
    await rig.tell(other, found, 2);
    await rig.newRelay(refuse).pass();
    const older = rig.newRelay(sink, new Catalogue({ facts: [found] }));
    await older.pass();
    await older.pass();
    expect(sink.numbersOf(ctx)).toEqual([1]);
    expect(sink.numbersOf(other)).toEqual([1, 2]);
    expect(said('outbox.fact_unknown')).toHaveLength(1);
    await rig.newRelay(sink).pass();
    expect(sink.numbersOf(ctx)).toEqual([1, 2, 3]);
  });

  it('passes over a tenant whose facts cannot be published, and comes back to it', async () => {
    sink.before = (facts) => {
      if (facts[0]?.tenantId === ctx.tenant.id) throw new Error('this slot is away');
    };
    await rig.tell(ctx, found, factBatch);
    await rig.tell(other, found, 2);
    const relay = rig.newRelay(sink);
    for (let n = 0; n < 3; n += 1) await relay.pass();
    expect(sink.numbersOf(other)).toEqual([1, 2]);
    expect(said('relay.blocked')).toHaveLength(1);
    sink.before = () => undefined;
    await relay.pass();
    expect(sink.numbersOf(ctx)).toEqual([]);
    rig.clock.advance(1_000);
    while (await relay.pass());
    expect(sink.numbersOf(ctx)).toEqual(upTo(factBatch));
    expect(said('relay.resumed')).toHaveLength(1);
  });

  it('does not stop for a payload that its own schema no longer reads: nobody is told, the order goes on', async () => {
    await rig.tell(ctx, found, 2);
    await rig.databases.asAdmin(
      'shard-2',
      `update outbox set payload = '{"note": "Ada Lovelace"}' where id =
      (select id from outbox where tenant_id = '${ctx.tenant.id}' order by id limit 1)`,
    );
    await rig.newRelay(sink).pass();
    expect(sink.brought).toMatchObject([
      { seq: 1, rooms: [], payload: null },
      { seq: 2, rooms: [{ of: 'tenant' }] },
    ]);
  });

  it('goes on with the other shards while one is away', async () => {
    const away = await rig.databases.newTenant({ shardId: 'shard-1' });
    await rig.tell(away);
    await rig.tell(ctx);
    await rig.databases.asAdmin('shard-1', 'alter table outbox rename to outbox_away');
    const relay = rig.newRelay(sink);
    await relay.pass();
    await relay.pass();
    await rig.databases.asAdmin('shard-1', 'alter table outbox_away rename to outbox');
    expect(sink.numbersOf(ctx)).toEqual([1]);
    expect(said('relay.blocked')).toHaveLength(1);
    await relay.pass();
    expect(sink.numbersOf(away)).toEqual([1]);
    expect(said('relay.resumed')).toHaveLength(1);
  });

  it('is woken by the commit, long before its next poll, and not by what is rolled back', async () => {
    const relay = rig.newRelay(sink);
    let woken = 0;
    const wake = () => {
      woken += 1;
      relay.wake();
    };
    const unsubscribe = await onNudge(rig.databases.redis, { fact: wake });
    relay.start();
    await relay.pass();
    for (const count of upTo(10)) {
      await rig.tell(ctx);
      expect(await waitUntil(async () => sink.numbersOf(ctx).length === count, 10_000)).toBe(true);
    }
    const before = woken;
    await rig.databases.sharding
      .write(ctx, async (tx) => {
        await rig.outbox.append(tx, found.entry('k', { thingId: newId() }));
        throw new Error('undone');
      })
      .catch(() => undefined);
    await rig.tell(ctx);
    await waitUntil(async () => sink.numbersOf(ctx).length === 11, 10_000);
    expect(woken).toBe(before + 1);
    expect(sink.numbersOf(ctx)).toEqual(upTo(11));
    unsubscribe();
    await relay.stop();
  });

  it('counts what it publishes and tells how old the oldest is that waits', async () => {
    const relay = rig.newRelay(sink);
    await rig.tell(ctx, found, 3);
    sink.before = () => Promise.reject(new Error('Redis is away'));
    rig.clock.advance(7_000);
    await relay.pass();
    const shown = async () => (await rig.metrics.expose()).body;
    expect(await shown()).toContain('facts_unpublished_age_seconds{database="shard-2"} 7');
    sink.before = () => undefined;
    rig.clock.advance(1_000);
    const before = Number(/facts_published_total\{database="shard-2"\} (\d+)/.exec(await shown())?.[1] ?? '0');
    await relay.pass();
    await relay.pass();
    expect(await shown()).toContain(`facts_published_total{database="shard-2"} ${before + 3}`);
    expect(await shown()).toContain('facts_unpublished_age_seconds{database="shard-2"} 0');
  });

  it('finds its work by index, as the relay’s own role, beside 10,000 rows that are done', async () => {
    await rig.databases.asAdmin(
      'shard-2',
      `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at, seq, published_at, finished_at, outcome)
       select $1, gen_random_uuid(), case when n % 2 = 0 then 'fact' else 'job' end, 'thing.found', 'k', '{}', 'r', $2, $2,
              case when n % 2 = 0 then n end, $2, case when n % 2 = 1 then $2::timestamptz end, case when n % 2 = 1 then 'done' end
         from generate_series(1, 10000) n`,
      [ctx.tenant.id, toDate(rig.clock.now())],
    );
    await rig.tell(other, found, 5);
    await rig.databases.asAdmin('shard-2', 'analyze outbox');
    const at = toDate(rig.clock.now());
    const plan = (sql: string, parameters: readonly unknown[]) =>
      inShard2(async ({ db }) => {
        const [role] = await db.query<{ name: string }>('select current_user as name');
        const lines = await db.query<Record<string, string>>(`explain ${sql}`, parameters);
        return `${role?.name}: ${lines.map((line) => line['QUERY PLAN']).join('\n')}`;
      });
    const due = await plan(selectUnnumbered, [at, factBatch]);
    expect(due).toMatch(/^praxis_relay: [\s\S]*Index Scan using outbox_fact_new/);
    const facts = (await rig.facts(other)).map(({ id }) => id);
    const tenants = facts.map(() => other.tenant.id);
    const numbering = await plan(giveNumbers, [tenants, facts, facts.map(() => 0), [other.tenant.id], [5]]);
    expect(numbering).toMatch(/^praxis_relay: [\s\S]*Index Scan using outbox_pkey/);
    const publishing = await plan(selectUnpublished, [[ctx.tenant.id], factBatch]);
    expect(publishing).toMatch(/^praxis_relay: [\s\S]*Index Scan using outbox_fact_(un)?published/);
    for (const each of [due, numbering, publishing]) expect(each).not.toContain('Seq Scan on outbox');
  });
});

describe('a nudge', () => {
  it('goes out once for a burst, names what there is news of, and the last of a burst is not forgotten', async () => {
    const heard: string[] = [];
    const listener = rig.databases.redis.open('queues');
    listener.on('message', (_channel: string, news: string) => void heard.push(news));
    await listener.subscribe(nudgeChannel(rig.databases.redis));
    const nudge = new Nudge(rig.databases.redis, rig.log);
    for (let n = 0; n < 1_000; n += 1) nudge.soon('fact');
    nudge.soon('job');
    expect(await waitUntil(async () => heard.some((news) => news.includes('job')), 5_000)).toBe(true);
    expect(heard).toEqual(['fact', 'fact job']);
    listener.disconnect();
  });
});
