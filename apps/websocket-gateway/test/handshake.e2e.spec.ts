import { randomBytes } from 'node:crypto';
import { Secret } from '#infra/config';
import { Ed25519Key } from '#infra/crypto';
import { AccessTokens } from '#infra/identity';
import { systemClock } from '#infra/kernel';
import type { GatewayProcess } from '../src/gateway.js';
import { readSettings } from '../src/settings.js';
import { bookedAt, GatewayFixture, type Person } from './gateway-fixture.js';
import { handshake } from './raw-handshake.js';

const minute = 60_000;
const page = 'https://desk.clinic.example';

let fixture: GatewayFixture;
let gateway: GatewayProcess;
let owner: Person;

beforeAll(async () => {
  fixture = await GatewayFixture.open();
  gateway = await fixture.gateway({ GATEWAY_ORIGINS: page });
  owner = await fixture.owner();
});
afterEach(() => fixture.leave());
afterAll(() => fixture.close());

const refused = async (auth: object) => fixture.connect(gateway, auth).next('connect_error');

const signedByOthers = () => {
  const signing = Ed25519Key.fromSecret(new Secret(randomBytes(32).toString('base64')));
  const { ctx, userId, sessionId } = owner;
  const subject = { userId, tenantId: ctx.tenant.id, sessionId, permissionVersion: 1 };
  return new AccessTokens({ signing, issuer: 'praxis', lifetimeMs: minute }, systemClock).issue(subject);
};

const withClaims = (token: string, claims: object): string => {
  const [head, body, tail] = token.split('.');
  const told = JSON.parse(Buffer.from(body!, 'base64url').toString('utf8'));
  return [head, Buffer.from(JSON.stringify({ ...told, ...claims })).toString('base64url'), tail].join('.');
};

const unsigned = (token: string): string => {
  const head = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url');
  return `${head}.${token.split('.')[1]}.`;
};

describe('a handshake', () => {
  it('with a token of an open session is let in, and told from where on it hears everything', async () => {
    const client = await fixture.listen(gateway, owner);
    const ready = await client.next('ready');
    expect(ready).toEqual({ seq: 0, resumed: false, endsAt: expect.any(String) });
    const leftMs = Date.parse(ready.endsAt) - Date.parse(new Date().toISOString());
    expect(leftMs).toBeGreaterThan(4 * minute);
    expect(leftMs).toBeLessThanOrEqual(5 * minute);
  });

  it.each([
    ['no token', () => undefined],
    ['a token that is none', () => 'Bearer of good news'],
    ['a token signed by others', signedByOthers],
    ['a token without a signature', () => unsigned(owner.accessToken)],
    ['a token whose tenant was changed', () => withClaims(owner.accessToken, { tid: crypto.randomUUID() })],
    ['an expired token', () => fixture.tokenFor(owner, -minute)],
  ])('with %s is refused and hears nothing', async (_, token) => {
    const client = fixture.connect(gateway, { token: token() });
    const refusal = await client.next('connect_error');
    expect(refusal).toEqual({ code: 'token.invalid', detail: expect.any(String), requestId: expect.any(String) });
    await fixture.publish(owner.ctx, bookedAt());
    const known = await fixture.listen(gateway, owner);
    await fixture.publish(owner.ctx, bookedAt());
    await known.facts(1);
    expect(client.names()).toEqual(['connect_error']);
    expect(client.socket.connected).toBe(false);
  });

  it('speaks for the user and tenant of its session, whatever else the client says of itself', async () => {
    const stranger = await fixture.owner();
    const client = await fixture.listen(gateway, stranger, { tenantId: owner.ctx.tenant.id, userId: owner.userId });
    const known = await fixture.listen(gateway, owner);
    await fixture.publish(owner.ctx, bookedAt());
    await known.facts(1);
    await fixture.publish(stranger.ctx, bookedAt());
    expect(await client.facts(1)).toHaveLength(1);
  });

  it.each([{ lastSeq: -1 }, { lastSeq: '7' }, { lastSeq: 1.5 }])('with %j is refused', async (auth) => {
    expect(await refused({ token: owner.accessToken, ...auth })).toMatchObject({ code: 'socket.handshake_invalid' });
  });

  it('of a session that has ended is refused', async () => {
    const person = await fixture.login(owner.ctx, owner.email);
    await fixture.identity.sessions.revoke(owner.ctx, person.userId, person.sessionId);
    expect(await refused({ token: person.accessToken })).toMatchObject({ code: 'session.ended' });
  });

  it('of a tenant that is suspended is refused', async () => {
    const person = await fixture.owner();
    await fixture.databases.asAdmin('directory', `update tenant set state = 'suspended' where id = $1`, [
      person.ctx.tenant.id,
    ]);
    await fixture.databases.sharding.tenants.reload(person.ctx.tenant.id);
    const fresh = await fixture.gateway();
    expect(await fixture.connect(fresh, { token: person.accessToken }).next('connect_error')).toMatchObject({
      code: 'tenant.suspended',
    });
  });

  it('is asked once: its connection is closed after a refusal', async () => {
    const client = fixture.connect(gateway, {});
    await client.next('connect_error');
    await fixture.until(async () => client.socket.io.engine.readyState === 'closed');
    expect(client.socket.io.engine.readyState).toBe('closed');
  });

  it('for any other namespace is refused', async () => {
    const { io } = fixture.connect(gateway, { token: owner.accessToken }).socket;
    const other = io.socket('/admin', { auth: { token: owner.accessToken } });
    const message = await new Promise((resolve) => other.on('connect_error', (error) => resolve(error.message)));
    expect(message).toBe('Invalid namespace');
  });
});

describe('the door of a handshake', () => {
  it.each(['token', 'access_token', 'auth'])('refuses a token in the URL, as %s', async (name) => {
    const answer = await handshake(gateway.port, { query: `&${name}=${owner.accessToken}` });
    expect(answer).toMatchObject({ status: 400, headers: { 'content-type': expect.stringContaining('problem+json') } });
    expect(JSON.parse(answer.body)).toMatchObject({ status: 400, code: 'socket.token_in_url' });
    expect(answer.body + fixture.lines.join('')).not.toContain(owner.accessToken);
  });

  it('lets in pages of its own origins and clients that are no pages, and no other page', async () => {
    expect(await handshake(gateway.port)).toMatchObject({ status: 101 });
    expect(await handshake(gateway.port, { headers: { origin: page } })).toMatchObject({ status: 101 });
    for (const origin of ['https://evil.example', `${page}.evil.example`, 'http://desk.clinic.example', 'null']) {
      const answer = await handshake(gateway.port, { headers: { origin } });
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'socket.origin_refused' });
    }
  });

  it('knows WebSocket alone: polling is an error, and the client’s script is not served', async () => {
    const ask = (path: string) => fetch(`http://127.0.0.1:${gateway.port}${path}`);
    expect((await ask('/socket.io/?EIO=4&transport=polling')).status).toBe(400);
    expect((await ask('/socket.io/socket.io.js')).status).toBe(400);
    const client = fixture.connect(gateway, { token: owner.accessToken }, { transports: ['polling'] });
    await client.next('connect_error');
    expect(client.names()).toEqual(['connect_error']);
  });

  it('offers no compression', async () => {
    const headers = { 'sec-websocket-extensions': 'permessage-deflate' };
    const answer = await handshake(gateway.port, { headers });
    expect(answer.status).toBe(101);
    expect(answer.headers['sec-websocket-extensions']).toBeUndefined();
  });

  it('answers 503 beyond its connections, and counts why', async () => {
    const small = await fixture.gateway({ GATEWAY_MAX_SOCKETS: '2' });
    await Promise.all([fixture.listen(small, owner), fixture.listen(small, owner)]);
    const answer = await handshake(small.port);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'socket.too_many' });
    expect(await fixture.metric(small, 'socket_connects_total{result="socket.too_many"}')).toBe(1);
    expect(await fixture.metric(small, 'sockets_open')).toBe(2);
  });

  it('answers 503 to more handshakes than it takes in a second', async () => {
    const slow = await fixture.gateway({ GATEWAY_CONNECT_RATE: '5' });
    const answers = await Promise.all(Array.from({ length: 15 }, () => handshake(slow.port)));
    const codes = answers.map(({ status }) => status);
    expect(codes.filter((status) => status === 101).length).toBeGreaterThanOrEqual(5);
    expect(codes).toContain(503);
    expect(answers.find(({ status }) => status === 503)?.body).toContain('socket.connects_too_fast');
  });

  it('lets one user have so many connections, whatever the others have', async () => {
    const few = await fixture.gateway({ GATEWAY_SOCKETS_PER_USER: '2' });
    const colleague = await fixture.colleague(owner, 'nurse');
    const [first] = await Promise.all([fixture.listen(few, owner), fixture.listen(few, owner)]);
    const third = fixture.connect(few, { token: owner.accessToken });
    expect(await third.next('connect_error')).toMatchObject({ code: 'socket.user_limit' });
    await fixture.listen(few, colleague);
    first.socket.disconnect();
    await fixture.until(async () => (await fixture.metric(few, 'sockets_open')) === 2);
    await fixture.listen(few, owner);
  });
});

describe('the settings of a gateway', () => {
  const given = () => ({ ...fixture.databases.env, TOKEN_SIGNING_KEY: fixture.signingKey });

  it('hold no connection that answers no ping for longer than 45 s', () => {
    const { pingIntervalMs, pingTimeoutMs } = readSettings(given()).gateway;
    expect(pingIntervalMs + pingTimeoutMs).toBe(45_000);
    expect(() => readSettings({ ...given(), GATEWAY_PING_INTERVAL: '25001' })).toThrow(/GATEWAY_PING_INTERVAL/);
    expect(() => readSettings({ ...given(), GATEWAY_PING_TIMEOUT: '20001' })).toThrow(/GATEWAY_PING_TIMEOUT/);
  });

  it('know origins, never paths or any origin', () => {
    for (const origin of ['*', 'https://desk.example/path', 'desk.example'])
      expect(() => readSettings({ ...given(), GATEWAY_ORIGINS: origin })).toThrow(/GATEWAY_ORIGINS/);
  });
});
