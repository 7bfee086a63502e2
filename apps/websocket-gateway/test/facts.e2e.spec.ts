import { newId } from '#infra/kernel';
import type { GatewayProcess } from '../src/gateway.js';
import type { Client } from './client.js';
import { bookedAt, GatewayFixture, memberEnrolled, type Person, rescheduledAt, toUser } from './gateway-fixture.js';

let fixture: GatewayFixture;
let here: GatewayProcess;
let there: GatewayProcess;

beforeAll(async () => {
  fixture = await GatewayFixture.open();
  [here, there] = await Promise.all([fixture.gateway(), fixture.gateway()]);
});
afterEach(() => fixture.leave());
afterAll(() => fixture.close());

/** A fact of their own comes after whatever was told before it: what they have not heard by then, they never will. */
async function nothingElse(client: Client, person: Person, entry = bookedAt()): Promise<void> {
  const before = client.told().length;
  await fixture.publish(person.ctx, entry);
  expect(await client.facts(before + 1)).toHaveLength(before + 1);
}

describe('facts', () => {
  it('[C-032] [C-036] reach all connections of their tenant, on every gateway, and nobody else', async () => {
    const [owner, stranger] = [await fixture.owner(), await fixture.owner()];
    const clients = await Promise.all([here, there, here, there].map((gateway) => fixture.listen(gateway, owner)));
    const others = await Promise.all([here, there].map((gateway) => fixture.listen(gateway, stranger)));
    const [appointmentId, locationId] = [newId(), newId()];
    await fixture.publish(owner.ctx, bookedAt(locationId, appointmentId));
    for (const client of clients) {
      const [fact] = await client.facts(1);
      expect(fact).toEqual({
        seq: 1,
        name: 'appointment.booked',
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        payload: { appointmentId, locationId, version: 1 },
      });
    }
    await fixture.publish(stranger.ctx, memberEnrolled());
    for (const client of others) expect(await client.facts(1)).toMatchObject([{ seq: 1, name: 'member.enrolled' }]);
    expect(clients.map((client) => client.told().length)).toEqual([1, 1, 1, 1]);
  });

  it('reach only who may read what they are about', async () => {
    const owner = await fixture.owner();
    const [billing, admin] = [await fixture.colleague(owner, 'billing'), await fixture.colleague(owner, 'admin')];
    const readsVisits = await fixture.listen(here, billing);
    const readsMembers = await fixture.listen(there, admin);
    await fixture.publish(owner.ctx, memberEnrolled(), bookedAt(), memberEnrolled(), bookedAt());
    await Promise.all([readsVisits.facts(2), readsMembers.facts(2)]);
    expect(readsVisits.told().map(({ name }) => name)).toEqual(['appointment.booked', 'appointment.booked']);
    expect(readsMembers.told().map(({ name }) => name)).toEqual(['member.enrolled', 'member.enrolled']);
    expect([readsVisits.seqs(), readsMembers.seqs()]).toEqual([
      [2, 4],
      [1, 3],
    ]);
  });

  it('[C-036] of one user reach that user’s connections and nobody else’s', async () => {
    const owner = await fixture.owner();
    const colleague = await fixture.colleague(owner, 'nurse');
    const [phone, desk] = [await fixture.listen(here, colleague), await fixture.listen(there, colleague)];
    const other = await fixture.listen(here, owner);
    await fixture.publish(owner.ctx, toUser(colleague.userId));
    for (const client of [phone, desk]) expect((await client.facts(1))[0]).toMatchObject({ name: 'user.told', seq: 1 });
    await nothingElse(other, owner);
    expect(other.seqs()).toEqual([2]);
  });

  it('[C-030] [C-036] of a place or a visit reach those who follow it, each once', async () => {
    const owner = await fixture.owner();
    const [left, right, visit] = [newId(), newId(), newId()];
    const [ofPlace, ofVisit, ofBoth] = await Promise.all([here, there, here].map((g) => fixture.listen(g, owner)));
    for (const client of [ofPlace!, ofVisit!])
      expect(await client.command({ do: 'unfollow', tenant: true })).toEqual({ ok: true, tenant: false, followed: 0 });
    expect(await ofPlace!.command({ do: 'follow', locations: [left] })).toEqual({
      ok: true,
      tenant: false,
      followed: 1,
    });
    await ofVisit!.command({ do: 'follow', appointments: [visit] });
    await ofBoth!.command({ do: 'follow', locations: [left], appointments: [visit] });
    await fixture.publish(
      owner.ctx,
      bookedAt(left, visit),
      bookedAt(right),
      rescheduledAt(right, visit, 2),
      bookedAt(left),
    );
    await ofBoth!.facts(4);
    await Promise.all([ofPlace!.facts(2), ofVisit!.facts(2)]);
    expect([ofPlace!.seqs(), ofVisit!.seqs(), ofBoth!.seqs()]).toEqual([
      [1, 4],
      [1, 3],
      [1, 2, 3, 4],
    ]);
    await ofPlace!.command({ do: 'unfollow', locations: [left] });
    await ofPlace!.command({ do: 'follow', locations: [right] });
    await fixture.publish(owner.ctx, bookedAt(left), bookedAt(right));
    await ofPlace!.facts(3);
    expect(ofPlace!.seqs()).toEqual([1, 4, 6]);
  });

  it('[C-030] of another tenant reach nobody who follows that tenant’s place or visit', async () => {
    const [owner, spy] = [await fixture.owner(), await fixture.owner()];
    const [place, visit] = [newId(), newId()];
    const client = await fixture.listen(here, spy);
    const wish = { do: 'follow', locations: [place], appointments: [visit] };
    expect(await client.command(wish)).toEqual({ ok: true, tenant: true, followed: 2 });
    const known = await fixture.listen(here, owner);
    await fixture.publish(owner.ctx, bookedAt(place, visit), rescheduledAt(place, visit, 2));
    await known.facts(2);
    await nothingElse(client, spy);
    expect(client.told()).toHaveLength(1);
  });

  it('stop when a permission is taken away, without a new connection', async () => {
    const owner = await fixture.owner();
    const nurse = await fixture.colleague(owner, 'nurse');
    const client = await fixture.listen(here, nurse);
    await fixture.publish(owner.ctx, bookedAt());
    await client.facts(1);
    const { version } = await fixture.identity.users.read(owner.ctx, nurse.userId);
    await fixture.identity.users.changeRoles(owner.ctx, nurse.userId, ['admin'], version);
    await fixture.until(async () => {
      await fixture.publish(owner.ctx, memberEnrolled());
      return client.told().some(({ name }) => name === 'member.enrolled');
    });
    const memberId = newId();
    await fixture.publish(owner.ctx, bookedAt(), memberEnrolled(memberId));
    await client.next('fact', ({ payload }) => payload.memberId === memberId);
    expect(client.told().filter(({ name }) => name === 'appointment.booked')).toHaveLength(1);
    expect(client.socket.connected).toBe(true);
  });

  it('[C-131] reach 50 clients on two gateways, 500 each, in order and none lost', async () => {
    const owner = await fixture.owner();
    const clients = await Promise.all(
      Array.from({ length: 50 }, (_, n) => fixture.listen(n % 2 ? here : there, owner)),
    );
    for (let n = 0; n < 10; n += 1) await fixture.publish(owner.ctx, ...Array.from({ length: 50 }, () => bookedAt()));
    const expected = Array.from({ length: 500 }, (_, n) => n + 1);
    for (const client of clients) {
      await client.facts(500);
      expect(client.seqs()).toEqual(expected);
    }
  });

  it('say nothing about a person: names, ids and versions only, in the log neither', async () => {
    const owner = await fixture.owner();
    const client = await fixture.listen(here, owner);
    await fixture.publish(owner.ctx, memberEnrolled());
    const [fact] = await client.facts(1);
    expect(Object.keys(fact.payload).toSorted()).toEqual(['memberId', 'version']);
    expect(fixture.lines.join('')).not.toMatch(/Moreau|harbor\.example/);
  });
});

describe('the surface between gateways', () => {
  it('[C-032] an event that one gateway sends reaches a client on another', async () => {
    const owner = await fixture.owner();
    const client = await fixture.listen(there, owner);
    fixture.serverOf(here).to(client.socket.id!).emit('resync', { seq: 7 });
    expect(await client.next('resync')).toEqual({ seq: 7 });
  });
});

describe('a command', () => {
  let client: Client;
  beforeEach(async () => {
    client = await fixture.listen(here, await fixture.owner());
  });

  it.each([
    ['nothing', undefined, 'socket.command_invalid'],
    ['something unknown', { do: 'shout' }, 'socket.command_invalid'],
    ['a room by name', { do: 'follow', rooms: ['t:1'] }, 'socket.command_invalid'],
    ['an id that is none', { do: 'follow', locations: ['%'] }, 'socket.command_invalid'],
    ['101 places', { do: 'follow', locations: Array.from({ length: 101 }, () => newId()) }, 'socket.command_invalid'],
    ['a token that is none', { do: 'reauthenticate', token: 'a.b.c' }, 'socket.token_refused'],
  ])('that says %s is answered, and changes nothing', async (_, body, code) => {
    expect(await client.command(body)).toMatchObject({ ok: false, code, requestId: expect.any(String) });
    expect(client.socket.connected).toBe(true);
  });

  it('follows at most 100 places and visits in all', async () => {
    const sixty = () => Array.from({ length: 60 }, () => newId());
    expect(await client.command({ do: 'follow', locations: sixty() })).toMatchObject({ ok: true, followed: 60 });
    expect(await client.command({ do: 'follow', appointments: sixty() })).toMatchObject({
      code: 'socket.follow_limit',
    });
  });

  it('beyond 20 a second and 40 at once is refused, and a flood ends the connection', async () => {
    const answers = await Promise.all(Array.from({ length: 45 }, () => client.command({ do: 'follow' })));
    const refused = answers.filter(({ code }) => code === 'socket.too_fast');
    expect(answers.slice(0, 40).every(({ ok }) => ok)).toBe(true);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0].retryAfterMs).toBeGreaterThan(0);
    for (let n = 0; n < 400; n += 1) client.socket.emit('anything', n);
    expect(await client.next('ended')).toMatchObject({ code: 'socket.flooding' });
    expect(await client.next('disconnect')).toBe('io server disconnect');
  });

  it('of more than 64 KB ends the connection', async () => {
    client.socket.emit('command', { do: 'follow', more: 'x'.repeat(70_000) });
    expect(await client.next('disconnect')).toBe('transport close');
  });
});
