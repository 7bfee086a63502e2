import { newId } from '#infra/kernel';
import type { GatewayProcess } from '../src/gateway.js';
import type { Client } from './client.js';
import { bookedAt, bulk, GatewayFixture, type Person, rescheduledAt } from './gateway-fixture.js';

let fixture: GatewayFixture;
let gateway: GatewayProcess;
let owner: Person;
let quick: Client;
let slow: Client;
let stuck: Client;

beforeAll(async () => {
  fixture = await GatewayFixture.open();
  gateway = await fixture.gateway();
  owner = await fixture.owner();
  const listening = Array.from({ length: 3 }, () => fixture.listen(gateway, owner));
  [quick, slow, stuck] = (await Promise.all(listening)) as [Client, Client, Client];
  slow.pause();
  stuck.pause();
  await untilLagging(2);
});
afterAll(() => fixture.close());

/** Sends 4 KB facts until the gateway finds that so many do not read them. */
async function untilLagging(count: number): Promise<void> {
  for (let n = 0; n < 40; n += 1) {
    await fixture.publish(owner.ctx, ...Array.from({ length: 250 }, bulk));
    if ((await fixture.metric(gateway, 'sockets_lagging')) === count) return;
  }
  throw new Error('10,000 facts that nobody reads, and nobody lags');
}

describe('a connection that reads too slowly', () => {
  it('gets the newest fact of each visit and is told to read anew once it reads again; the others notice nothing', async () => {
    const [left, right, place] = [newId(), newId(), newId()];
    const moves = [2, 3, 4].flatMap((version) => [left, right].map((id) => rescheduledAt(place, id, version)));
    await fixture.publish(owner.ctx, ...moves);
    await quick.next('fact', ({ payload }) => payload.appointmentId === right && payload.version === 4);
    slow.resume();
    const { seq } = await slow.next('resync');
    const moved = slow.told().filter(({ name }) => name === 'appointment.rescheduled');
    expect(moved.map(({ payload }) => [payload.appointmentId, payload.version])).toEqual([
      [left, 4],
      [right, 4],
    ]);
    expect(seq).toBe(quick.seqs().at(-1));
    expect(quick.seqs()).toEqual(quick.seqs().map((_, n) => n + 1));
    expect(slow.names().filter((name) => name === 'resync')).toHaveLength(1);
    await fixture.publish(owner.ctx, bookedAt());
    expect(await slow.next('fact', (fact) => fact.seq === seq + 1)).toMatchObject({ name: 'appointment.booked' });
    expect(slow.socket.connected).toBe(true);
  });

  it('is cut where it reads nothing at all for 10 s, and only it', async () => {
    const reason = 'socket_disconnects_total{reason="socket.slow_consumer"}';
    await fixture.untilLate(async () => (await fixture.metric(gateway, reason)) === 1);
    expect(await fixture.metric(gateway, 'sockets_open')).toBe(2);
    const seen = quick.told().length;
    await fixture.publish(owner.ctx, bookedAt());
    await quick.facts(seen + 1);
    stuck.resume();
    await stuck.next('disconnect');
    expect([quick.socket.connected, slow.socket.connected]).toEqual([true, true]);
  });
});
