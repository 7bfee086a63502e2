import { RedisCluster } from '#infra/testing';
import type { GatewayProcess } from '../src/gateway.js';
import { bookedAt, GatewayFixture } from './gateway-fixture.js';

let cluster: RedisCluster;
let fixture: GatewayFixture;
let here: GatewayProcess;
let there: GatewayProcess;

beforeAll(async () => {
  cluster = await RedisCluster.startTemporary();
  fixture = await GatewayFixture.open(cluster.env);
  [here, there] = await Promise.all([fixture.gateway(), fixture.gateway({ GATEWAY_SESSION_CHECK: '25000' })]);
}, 120_000);
afterAll(async () => {
  await fixture?.close();
  await cluster?.stop();
}, 60_000);

describe('gateways on a Redis Cluster', () => {
  it('[C-032] carry facts to both, and what one sends or finds out reaches the connections of the other', async () => {
    const owner = await fixture.owner();
    const [near, far] = [await fixture.listen(here, owner), await fixture.listen(there, owner)];
    await fixture.publish(owner.ctx, bookedAt(), bookedAt());
    for (const client of [near, far]) {
      await client.facts(2);
      expect(client.seqs()).toEqual([1, 2]);
    }
    fixture.serverOf(here).to(far.socket.id!).emit('resync', { seq: 2 });
    expect(await far.next('resync')).toEqual({ seq: 2 });
    expect(await near.command({ do: 'presence' })).toMatchObject({ ok: true, total: 2 });
    await fixture.identity.sessions.revoke(owner.ctx, owner.userId, owner.sessionId);
    for (const client of [near, far])
      expect(await client.next('ended')).toMatchObject({ code: 'socket.session_ended' });
  });
});
