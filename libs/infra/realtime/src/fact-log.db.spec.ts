import type { TenantContext } from '#infra/kernel';
import { Catalogue } from '#infra/queues';
import { channelOf, found, keyOf, RealtimeRig, upTo } from '../test/realtime-rig.js';
import { missedMax } from './fact-log.js';
import { streamMax } from './fact-stream.js';

let rig: RealtimeRig;
let ctx: TenantContext;
beforeAll(async () => {
  rig = await RealtimeRig.open();
});
beforeEach(async () => {
  ctx = await rig.databases.newTenant({ shardId: 'shard-2' });
  rig.lines.length = 0;
});
afterAll(() => rig.close());

const redis = () => rig.databases.redis.get('realtime');
const numbers = async (seq: number, limit?: number) => {
  const { facts, complete } = await rig.facts.after(ctx, seq, limit);
  return { seqs: facts.map((fact) => fact.seq), complete };
};
const forget = (below: number) =>
  rig.databases.asAdmin('shard-2', 'delete from outbox where tenant_id = $1 and seq < $2', [ctx.tenant.id, below]);

describe('the log of facts', () => {
  it('holds each fact once and in order in the tenant’s stream, however often it is brought', async () => {
    await rig.tellAndRelay(ctx, 1, 3);
    const { facts } = await rig.facts.after(ctx, 0);
    await rig.facts.publish(facts);
    await rig.facts.publish(facts.slice(1));
    await rig.tell(ctx, 4);
    await rig.databases.asAdmin('shard-2', 'update outbox set published_at = null where tenant_id = $1', [
      ctx.tenant.id,
    ]);
    await Promise.all([rig.relay.pass(), rig.newRelay().pass()]);
    await rig.relayAll();
    expect(await rig.stream(ctx)).toEqual([1, 2, 3, 4]);
  });

  it('tells the channel of a fact only the first time', async () => {
    const heard: string[] = [];
    const listener = rig.databases.redis.open('realtime');
    listener.on('smessage', (_channel: string, text: string) => void heard.push(text));
    await listener.ssubscribe(channelOf(ctx));
    await rig.tellAndRelay(ctx, 1, 2);
    await rig.facts.publish((await rig.facts.after(ctx, 0)).facts);
    await rig.tellAndRelay(ctx, 3);
    await redis().spublish(channelOf(ctx), 'end');
    while (heard.at(-1) !== 'end') await new Promise((resolve) => setTimeout(resolve, 5));
    expect(heard.slice(0, -1).map((text) => JSON.parse(text).seq)).toEqual([1, 2, 3]);
    listener.disconnect();
  });

  it('gives a fact back as it was published: name, time, permission, rooms and payload', async () => {
    await rig.tellAndRelay(ctx, 7);
    const [streamed] = (await rig.facts.after(ctx, 0)).facts;
    expect(streamed).toEqual({
      tenantId: ctx.tenant.id,
      seq: 1,
      name: 'thing.found',
      at: expect.any(Number),
      permission: 'things.read',
      rooms: [{ of: 'tenant' }, { of: 'appointment', id: expect.any(String) }],
      payload: { thingId: expect.any(String), n: 7 },
    });
    await redis().del(keyOf(ctx));
    expect((await rig.facts.after(ctx, 0)).facts).toEqual([streamed]);
  });

  it('answers with what came after a place, and with nothing after the newest', async () => {
    await rig.tellAndRelay(ctx, 1, 5);
    expect(await numbers(2)).toEqual({ seqs: [3, 4, 5], complete: true });
    expect(await numbers(5)).toEqual({ seqs: [], complete: true });
    expect(await rig.facts.newest(ctx)).toBe(5);
  });

  it('knows no fact of a tenant that has none', async () => {
    expect(await numbers(0)).toEqual({ seqs: [], complete: true });
    expect(await rig.facts.newest(ctx)).toBe(0);
  });

  it('reads from the database what Redis has lost: all of it, its beginning or its end', async () => {
    await rig.tellAndRelay(ctx, 1, 6);
    await redis().xtrim(keyOf(ctx), 'MAXLEN', 3);
    expect(await numbers(1)).toEqual({ seqs: [2, 3, 4, 5, 6], complete: true });
    await redis().xdel(keyOf(ctx), '5-0', '6-0');
    expect(await numbers(3)).toEqual({ seqs: [4, 5, 6], complete: true });
    expect(await numbers(4)).toEqual({ seqs: [5, 6], complete: true });
    await redis().del(keyOf(ctx));
    expect(await numbers(0)).toEqual({ seqs: [1, 2, 3, 4, 5, 6], complete: true });
    expect(await rig.stream(ctx)).toEqual([]);
  });

  it('knows facts that have a number and are not published yet', async () => {
    await rig.tellAndRelay(ctx, 1, 2);
    await rig.tell(ctx, 3);
    await rig.databases.asAdmin('shard-2', 'update outbox set seq = 3 where tenant_id = $1 and seq is null', [
      ctx.tenant.id,
    ]);
    await rig.databases.asAdmin('shard-2', 'update fact_sequence set last_seq = 3 where tenant_id = $1', [
      ctx.tenant.id,
    ]);
    expect(await numbers(1)).toEqual({ seqs: [2, 3], complete: true });
  });

  it('says so when more were missed than asked for, from Redis and from the database', async () => {
    await rig.tellAndRelay(ctx, 1, missedMax + 1);
    expect(await numbers(1)).toEqual({ seqs: upTo(missedMax, 2), complete: true });
    expect(await numbers(0)).toEqual({ seqs: upTo(missedMax), complete: false });
    expect(await numbers(0, 3)).toEqual({ seqs: [1, 2, 3], complete: false });
    expect(await numbers(0, 10_000)).toEqual({ seqs: upTo(missedMax), complete: false });
    await redis().del(keyOf(ctx));
    expect(await numbers(0, 3)).toEqual({ seqs: [1, 2, 3], complete: false });
    expect(await numbers(missedMax - 2, 3)).toEqual({ seqs: upTo(3, missedMax - 1), complete: true });
  });

  it('says so when facts are gone, or when the place is one that the tenant never reached', async () => {
    await rig.tellAndRelay(ctx, 1, 6);
    await redis().del(keyOf(ctx));
    await forget(4);
    expect(await numbers(2)).toEqual({ seqs: [], complete: false });
    expect(await numbers(3)).toEqual({ seqs: [4, 5, 6], complete: true });
    await forget(100);
    expect(await numbers(3)).toEqual({ seqs: [], complete: false });
    expect(await numbers(6)).toEqual({ seqs: [], complete: true });
    expect(await numbers(7)).toEqual({ seqs: [], complete: false });
  });

  it('begins the stream anew where Redis has lost its end, so that it never has a hole', async () => {
    await rig.tellAndRelay(ctx, 1, 4);
    await redis().del(keyOf(ctx));
    const { facts } = await rig.facts.after(ctx, 0);
    await rig.facts.publish(facts.slice(0, 2));
    expect(await rig.stream(ctx)).toEqual([1, 2]);
    await rig.tellAndRelay(ctx, 5);
    expect(await rig.stream(ctx)).toEqual([5]);
    expect(await numbers(1)).toEqual({ seqs: [2, 3, 4, 5], complete: true });
  });

  it('shows no fact of another tenant, in Redis or in the database', async () => {
    const other = await rig.databases.newTenant({ shardId: 'shard-2' });
    await rig.tellAndRelay(other, 1, 4);
    await rig.tellAndRelay(ctx, 1, 2);
    expect(await numbers(0)).toEqual({ seqs: [1, 2], complete: true });
    await redis().del(keyOf(ctx), keyOf(other));
    const { facts } = await rig.facts.after(ctx, 0);
    expect(facts.map(({ tenantId }) => tenantId)).toEqual([ctx.tenant.id, ctx.tenant.id]);
    expect((await rig.facts.after(other, 0)).facts).toHaveLength(4);
  });

  it('keeps about 1,000 facts of a tenant in Redis, for a day', async () => {
    await rig.tellAndRelay(ctx, 1, streamMax + 300);
    const kept = await rig.stream(ctx);
    expect(kept.at(-1)).toBe(streamMax + 300);
    expect(kept.length).toBeGreaterThanOrEqual(streamMax);
    expect(kept.length).toBeLessThan(streamMax + 200);
    const ttlMs = await redis().pttl(keyOf(ctx));
    expect(ttlMs).toBeGreaterThan(23 * 3_600_000);
    expect(ttlMs).toBeLessThanOrEqual(24 * 3_600_000);
  });

  it('tells nobody of a fact that an older build finds in the database, and keeps its place', async () => {
    await rig.tellAndRelay(ctx, 1, 2);
    await redis().del(keyOf(ctx));
    const older = rig.newLog(new Catalogue({}));
    const { facts, complete } = await older.after(ctx, 0);
    expect(complete).toBe(true);
    expect(facts).toMatchObject([
      { seq: 1, rooms: [], permission: '', payload: null },
      { seq: 2, rooms: [], permission: '', payload: null },
    ]);
    expect(rig.lines.filter((line) => line.includes('realtime.fact_unknown'))).toHaveLength(1);
    expect(found.name).toBe(facts[0]?.name);
  });
});
