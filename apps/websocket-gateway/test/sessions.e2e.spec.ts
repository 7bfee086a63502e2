import { toDate } from '#infra/kernel';
import type { GatewayProcess } from '../src/gateway.js';
import { bookedAt, GatewayFixture, type Person } from './gateway-fixture.js';

const minute = 60_000;

let fixture: GatewayFixture;
let here: GatewayProcess;
/** Looks at sessions seldom: what it learns in these tests, it learns from the other. */
let there: GatewayProcess;

beforeAll(async () => {
  fixture = await GatewayFixture.open();
  [here, there] = await Promise.all([fixture.gateway(), fixture.gateway({ GATEWAY_SESSION_CHECK: '25000' })]);
});
afterEach(() => fixture.leave());
afterAll(() => fixture.close());

const lastSeen = async ({ sessionId }: Person): Promise<Date> => {
  const [row] = await fixture.databases.asAdmin<{ at: Date }>(
    'directory',
    'select last_seen_at as at from user_session where id = $1',
    [sessionId],
  );
  return row!.at;
};

describe('a connection', () => {
  it('ends with its token, and says so', async () => {
    const owner = await fixture.owner();
    const client = await fixture.listen(here, { accessToken: fixture.tokenFor(owner, 2_000) });
    expect(await client.next('ended')).toMatchObject({ code: 'socket.token_expired', detail: expect.any(String) });
    expect(await client.next('disconnect')).toBe('io server disconnect');
  });

  it('goes on where a new token of the same session is sent in time', async () => {
    const owner = await fixture.owner();
    const client = await fixture.listen(here, { accessToken: fixture.tokenFor(owner, 2_000) });
    const { accessToken } = await fixture.identity.sessions.refresh(fixture.databases.newContext(), owner.refreshToken);
    const answer = await client.command({ do: 'reauthenticate', token: accessToken });
    expect(answer).toMatchObject({ ok: true, endsAt: expect.any(String) });
    const expired = await fixture.listen(there, { accessToken: fixture.tokenFor(owner, 2_500) });
    await expired.next('ended');
    await fixture.publish(owner.ctx, bookedAt());
    await client.facts(1);
    expect(client.names()).toEqual(['ready', 'fact']);
  });

  it('takes no token of another user, session or tenant, and none that is not valid', async () => {
    const owner = await fixture.owner();
    const client = await fixture.listen(here, owner);
    const again = await fixture.login(owner.ctx, owner.email);
    const [colleague, stranger] = [await fixture.colleague(owner, 'nurse'), await fixture.owner()];
    for (const { accessToken: token } of [again, colleague, stranger])
      expect(await client.command({ do: 'reauthenticate', token })).toMatchObject({ code: 'socket.other_session' });
    for (const token of [fixture.tokenFor(owner, -minute), `${owner.accessToken}x`])
      expect(await client.command({ do: 'reauthenticate', token })).toMatchObject({ code: 'socket.token_refused' });
    expect(client.socket.connected).toBe(true);
  });

  it('[C-032] ends with its session on every gateway, also where that gateway has not looked yet', async () => {
    const owner = await fixture.owner();
    const kept = await fixture.login(owner.ctx, owner.email);
    const [near, far] = [await fixture.listen(here, owner), await fixture.listen(there, owner)];
    const others = [await fixture.listen(here, kept), await fixture.listen(there, kept)];
    await fixture.identity.sessions.revoke(owner.ctx, owner.userId, owner.sessionId);
    for (const client of [near, far]) {
      expect(await client.next('ended')).toMatchObject({ code: 'socket.session_ended' });
      expect(await client.next('disconnect')).toBe('io server disconnect');
    }
    await fixture.publish(owner.ctx, bookedAt());
    for (const client of others) expect(await client.facts(1)).toHaveLength(1);
    expect(near.told()).toEqual([]);
    expect(await fixture.metric(there, 'socket_disconnects_total{reason="socket.session_ended"}')).toBe(1);
  });

  it('ends when its user is disabled', async () => {
    const owner = await fixture.owner();
    const nurse = await fixture.colleague(owner, 'nurse');
    const client = await fixture.listen(here, nurse);
    const { version } = await fixture.identity.users.read(owner.ctx, nurse.userId);
    await fixture.identity.users.disable(owner.ctx, nurse.userId, version);
    expect(await client.next('ended')).toMatchObject({ code: 'socket.session_ended' });
  });

  it('ends when nobody used its session for the idle limit, however often a page renews its token', async () => {
    const owner = await fixture.owner();
    const client = await fixture.listen(here, owner);
    const unused = async (idleMs: number) => {
      const at = toDate((await lastSeen(owner)).getTime() - idleMs);
      await fixture.databases.asAdmin('directory', 'update user_session set last_seen_at = $2 where id = $1', [
        owner.sessionId,
        at,
      ]);
      return at;
    };
    const almost = await unused(14 * minute);
    const token = fixture.tokenFor(owner, 5 * minute);
    expect(await client.command({ do: 'reauthenticate', token })).toMatchObject({ ok: true });
    expect(await lastSeen(owner)).toEqual(almost);
    await unused(3 * minute);
    expect(await client.next('ended')).toMatchObject({ code: 'socket.session_ended' });
    expect(await client.next('disconnect')).toBe('io server disconnect');
  });
});

describe('presence', () => {
  const byUser = (a: { readonly userId: string }, b: { readonly userId: string }) => a.userId.localeCompare(b.userId);
  const total = async (client: Awaited<ReturnType<GatewayFixture['listen']>>) =>
    (await client.command({ do: 'presence' })).total;

  it('lists the tenant’s connections on every gateway by user, age and last sign of life, and nobody else’s', async () => {
    const owner = await fixture.owner();
    const nurse = await fixture.colleague(owner, 'nurse');
    const client = await fixture.listen(here, owner);
    const far = await fixture.listen(there, nurse);
    await fixture.listen(there, await fixture.owner());
    await fixture.until(async () => (await total(client)) === 2);
    const answer = await client.command({ do: 'presence' });
    const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(answer.connections.toSorted(byUser)).toEqual(
      [owner, nurse].map(({ userId }) => ({ userId, connectedAt: instant, lastActiveAt: instant })).toSorted(byUser),
    );
    expect(await far.command({ do: 'presence' })).toMatchObject({ ok: false, code: 'socket.forbidden' });
    far.socket.disconnect();
    await fixture.until(async () => (await total(client)) === 1);
    expect(await total(client)).toBe(1);
  });

  it('[C-033] drops a connection that answers no ping, and forgets what a killed gateway left within 60 s', async () => {
    const patient = await fixture.gateway({ GATEWAY_PING_INTERVAL: '200', GATEWAY_PING_TIMEOUT: '200' });
    const owner = await fixture.owner();
    const [client, silent] = [await fixture.listen(here, owner), await fixture.listen(patient, owner)];
    await fixture.until(async () => (await total(client)) === 2);
    silent.pause();
    await fixture.until(async () => (await fixture.metric(patient, 'sockets_open')) === 0);
    expect(await fixture.metric(patient, 'socket_disconnects_total{reason="ping timeout"}')).toBe(1);
    silent.resume();
    await silent.next('disconnect');
    await fixture.until(async () => (await total(client)) === 1);
    const redis = fixture.databases.redis.get('realtime');
    const key = `presence:{${owner.ctx.tenant.id}}`;
    const heardAt = Number((await redis.zrange(key, '0', '0', 'WITHSCORES'))[1]);
    await redis.zadd(
      key,
      heardAt - 50_000,
      `${owner.userId}|${heardAt}|recent`,
      heardAt - 60_001,
      `${owner.userId}|${heardAt}|left`,
    );
    expect(await total(client)).toBe(2);
    expect(await redis.pttl(key)).toBeLessThanOrEqual(60_000);
    await fixture.until(async () => (await redis.zcard(key)) === 2);
    expect(await redis.zrange(key, '0', '-1')).not.toContain(`${owner.userId}|${heardAt}|left`);
  });
});
