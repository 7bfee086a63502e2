import { bookedAt, GatewayFixture } from './gateway-fixture.js';
import { handshake } from './raw-handshake.js';

let fixture: GatewayFixture;

beforeAll(async () => {
  fixture = await GatewayFixture.open();
});
afterEach(() => fixture.tidy());
afterAll(() => fixture.close());

describe('the operators’ door', () => {
  it('answers on the port of the sockets, and nothing else does', async () => {
    const gateway = await fixture.gateway();
    const ask = async (path: string, method = 'GET') =>
      (await fetch(`http://127.0.0.1:${gateway.port}${path}`, { method })).status;
    expect(await ask('/health/live')).toBe(200);
    expect(await ask('/health/startup')).toBe(200);
    expect(await ask('/health/ready')).toBe(200);
    expect(await ask('/metrics')).toBe(200);
    expect(await ask('/api/v1/appointments')).toBe(404);
    expect(await ask('/health/ready', 'POST')).toBe(405);
  });

  it('shows counts of connections, refusals and facts in series that no client can multiply', async () => {
    const gateway = await fixture.gateway();
    const owner = await fixture.owner();
    const client = await fixture.listen(gateway, owner);
    for (let n = 0; n < 30; n += 1) await client.command({ do: `made up ${n}` });
    await fixture.publish(owner.ctx, bookedAt());
    await client.facts(1);
    await fixture.connect(gateway, { token: 'none' }).next('connect_error');
    expect(await fixture.metric(gateway, 'sockets_open')).toBe(1);
    expect(await fixture.metric(gateway, 'sockets_tenants')).toBe(1);
    expect(await fixture.metric(gateway, 'facts_emitted_total')).toBe(1);
    expect(await fixture.metric(gateway, 'socket_connects_total{result="accepted"}')).toBe(1);
    expect(await fixture.metric(gateway, 'socket_connects_total{result="unauthenticated"}')).toBe(1);
    expect(await fixture.metric(gateway, 'socket_commands_total{command="unknown",result="refused"}')).toBe(30);
    const body = await (await fetch(`http://127.0.0.1:${gateway.port}/metrics`)).text();
    expect(body).not.toContain('made up');
    expect(body).not.toContain(owner.ctx.tenant.id);
  });
});

describe('a gateway that stops', () => {
  it('is unready at once, takes no handshake, and lets its connections go one after another', async () => {
    const gateway = await fixture.gateway({ GATEWAY_DRAIN_SPREAD: '1000' });
    const owner = await fixture.owner();
    const clients = await Promise.all(Array.from({ length: 20 }, () => fixture.listen(gateway, owner)));
    const stopping = gateway.stop();
    expect((await fetch(`http://127.0.0.1:${gateway.port}/health/ready`)).status).toBe(503);
    const answer = await handshake(gateway.port);
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'gateway.draining' });
    const gone = () => clients.filter(({ socket }) => !socket.connected).length;
    await fixture.until(async () => gone() >= 2);
    expect(gone()).toBeLessThan(20);
    expect(await stopping).toBe(true);
    for (const client of clients) {
      expect(await client.next('ended')).toMatchObject({ code: 'gateway.draining' });
      expect(await client.next('disconnect')).toBe('transport close');
    }
    await expect(handshake(gateway.port)).rejects.toThrow();
  });

  it('is missed by nobody: its clients go on elsewhere without a gap', async () => {
    const [leaving, staying] = [await fixture.gateway(), await fixture.gateway()];
    const owner = await fixture.owner();
    const client = fixture.connect(leaving, { token: owner.accessToken });
    await client.next('ready');
    await fixture.publish(owner.ctx, bookedAt());
    await client.facts(1);
    await Promise.all([leaving.stop(), client.next('disconnect')]);
    await fixture.publish(owner.ctx, bookedAt(), bookedAt());
    const again = await fixture.listen(staying, owner, { lastSeq: client.seqs().at(-1) });
    expect([...client.seqs(), ...again.seqs()]).toEqual([1, 2, 3]);
  });

  it('does not start on a schema that it does not know', async () => {
    await fixture.databases.asAdmin(
      'directory',
      `insert into migrations ("timestamp", name, phase) values (9999999999999, 'Later', 'contract')`,
    );
    await expect(fixture.gateway()).rejects.toMatchObject({ code: 'database.schema_outdated' });
    await fixture.databases.asAdmin('directory', `delete from migrations where name = 'Later'`);
  });
});
