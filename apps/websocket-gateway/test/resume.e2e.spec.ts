import type { GatewayProcess } from '../src/gateway.js';
import type { Client } from './client.js';
import { bookedAt, GatewayFixture, memberEnrolled, type Person } from './gateway-fixture.js';

let fixture: GatewayFixture;
let here: GatewayProcess;
let there: GatewayProcess;

beforeAll(async () => {
  fixture = await GatewayFixture.open();
  [here, there] = await Promise.all([fixture.gateway(), fixture.gateway()]);
});
afterEach(() => fixture.leave());
afterAll(() => fixture.close());

const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, n) => first + n);
const visits = (count: number) => Array.from({ length: count }, () => bookedAt());

async function away(client: Client): Promise<void> {
  client.socket.disconnect();
  await client.next('disconnect');
}

const resume = (gateway: GatewayProcess, person: Person, lastSeq: number) =>
  fixture.listen(gateway, person, { lastSeq });

describe('a connection that was away', () => {
  it('hears on another gateway what it missed, in order and once, before what is new', async () => {
    const owner = await fixture.owner();
    const first = await fixture.listen(here, owner);
    await fixture.publish(owner.ctx, ...visits(3));
    await first.facts(3);
    await away(first);
    await fixture.publish(owner.ctx, ...visits(5));
    const again = await resume(there, owner, 3);
    expect(again.seqs()).toEqual(upTo(8, 4));
    expect(again.names().at(-1)).toBe('ready');
    expect(await again.next('ready')).toMatchObject({ seq: 8, resumed: true });
    await fixture.publish(owner.ctx, ...visits(2));
    await again.facts(7);
    expect(again.seqs()).toEqual(upTo(10, 4));
  });

  it('hears of what it missed only what it may read', async () => {
    const owner = await fixture.owner();
    const billing = await fixture.colleague(owner, 'billing');
    await fixture.publish(owner.ctx, bookedAt(), memberEnrolled(), bookedAt(), memberEnrolled());
    const client = await resume(here, billing, 0);
    expect(client.seqs()).toEqual([1, 3]);
    expect(await client.next('ready')).toMatchObject({ seq: 4, resumed: true });
  });

  it('hears everything once though facts go on while it comes and goes between gateways', async () => {
    const owner = await fixture.owner();
    await fixture.listen(here, owner);
    let publishing = true;
    const published = (async () => {
      for (let n = 0; n < 60; n += 1) await fixture.publish(owner.ctx, ...visits(5));
      publishing = false;
    })();
    const heard: number[] = [];
    for (let n = 0; publishing || heard.at(-1) !== 300; n += 1) {
      const client = await resume(n % 2 ? here : there, owner, heard.at(-1) ?? 0);
      await fixture.until(async () => client.told().length > 0 || !publishing);
      await away(client);
      heard.push(...client.seqs());
      expect(client.names()).not.toContain('resync');
    }
    await published;
    expect(heard).toEqual(upTo(300));
  });

  it('is told to read everything anew where more than 500 came meanwhile, and hears what is new', async () => {
    const owner = await fixture.owner();
    await fixture.publish(owner.ctx, ...visits(502));
    const complete = await resume(here, owner, 2);
    expect(complete.seqs()).toEqual(upTo(502, 3));
    const client = await resume(here, owner, 1);
    expect(client.names()).toEqual(['resync', 'ready']);
    expect(await client.next('resync')).toEqual({ seq: 502 });
    expect(await client.next('ready')).toMatchObject({ seq: 502, resumed: false });
    await fixture.publish(owner.ctx, bookedAt());
    await client.facts(1);
    expect(client.seqs()).toEqual([503]);
  });

  it('is told to read everything anew where its place never was', async () => {
    const owner = await fixture.owner();
    await fixture.publish(owner.ctx, ...visits(2));
    const client = await resume(here, owner, 77);
    expect(await client.next('resync')).toEqual({ seq: 2 });
    await fixture.publish(owner.ctx, bookedAt());
    await client.facts(1);
    expect(client.seqs()).toEqual([3]);
  });

  it('misses nothing where Redis has lost the facts: the database has them', async () => {
    const owner = await fixture.owner();
    await fixture.publish(owner.ctx, ...visits(4));
    const redis = fixture.databases.redis.get('realtime');
    for (const key of await redis.keys(`facts:*${owner.ctx.tenant.id}*`)) await redis.del(key);
    const client = await resume(there, owner, 1);
    expect(client.seqs()).toEqual([2, 3, 4]);
  });
});

describe('gateways whose connections to Redis were cut', () => {
  it('hear facts, and each other, as before', async () => {
    const owner = await fixture.owner();
    const clients = [await fixture.listen(here, owner), await fixture.listen(there, owner)];
    const redis = fixture.databases.redis.get('realtime');
    const listed = String(await redis.client('LIST'));
    const subscribers = listed.split('\n').filter((line) => isOurs(line) && !/ ssub=0 /.test(line));
    expect(subscribers.length).toBeGreaterThanOrEqual(4);
    for (const line of subscribers) await redis.client('KILL', 'ADDR', / addr=(\S+)/.exec(line)![1]!);
    await fixture.publish(owner.ctx, ...visits(3));
    for (const client of clients) {
      await client.facts(3);
      expect(client.seqs()).toEqual([1, 2, 3]);
    }
    const heard = fixture.until(async () => {
      fixture.serverOf(here).to(clients[1]!.socket.id!).emit('resync', { seq: 3 });
      return clients[1]!.names().includes('resync');
    });
    expect(await heard).toBe(true);
  });

  /** Each worker of Jest has a Redis database of its own. */
  const isOurs = (line: string): boolean =>
    line.includes(` db=${fixture.databases.redisDatabase} `) && line.includes('name=praxis:realtime');
});
