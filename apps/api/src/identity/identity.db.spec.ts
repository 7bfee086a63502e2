import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { z } from 'zod';
import { Identity, type InvitationId } from '#infra/identity';
import { FixedClock, newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { startIdentityApi } from '../../test/identity-api.js';
import { grantAnswer, joinedAnswer, loginAnswer } from './auth.dto.js';
import { sessionsAnswer } from './sessions.dto.js';
import { invitedAnswer, userAnswer, usersAnswer } from './users.dto.js';

const password = 'seven otters left early';
const clock = new FixedClock(Date.parse('2026-12-01T09:00:00Z'));
let databases: TestDatabases;
let app: NestFastifyApplication;
let owner: { ctx: TenantContext; slug: string; email: string };

beforeAll(async () => {
  databases = await openTestDatabases({ clock });
  app = await startIdentityApi(databases, clock);
});
afterAll(async () => {
  // Not app.close(): the databases belong to the test, which closes them itself.
  await app.getHttpAdapter().close();
  await databases.close();
});
beforeEach(async () => {
  const ctx = await databases.newTenant();
  const { slug } = await databases.sharding.tenants.byId(ctx.tenant.id);
  const email = `owner-${newId().slice(-8)}@harbor.example`;
  await app.get(Identity).users.createOwner(ctx, { email, displayName: 'Inès Moreau', password });
  owner = { ctx, slug, email };
});

interface Call {
  readonly token?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

async function call(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, { token, body, headers }: Call = {}) {
  const answer = await app.inject({
    method,
    url: `/api/v1${path}`,
    headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
    ...(body ? { payload: body } : {}),
  });
  return { status: answer.statusCode, headers: answer.headers, body: answer.body === '' ? null : answer.json() };
}

async function login(who: { slug: string; email: string } = owner): Promise<z.infer<typeof loginAnswer>> {
  const { status, body } = await call('POST', '/auth/login', {
    body: { tenant: who.slug, email: who.email, password },
  });
  expect(status).toBe(200);
  return loginAnswer.parse(body);
}

/** A colleague of the owner, all the way from the invitation to the login. */
async function join(roles: string[]) {
  const email = `staff-${newId().slice(-8)}@harbor.example`;
  const { accessToken } = await login();
  const invited = await call('POST', '/users/invitations', { token: accessToken, body: { email, roles } });
  expect(invited.status).toBe(201);
  const { invitationId, userId } = invitedAnswer.parse(invited.body);
  const letter = await app.get(Identity).mail(owner.ctx, 'invitation', invitationId as InvitationId);
  const token = /#token=(\S+)/.exec(letter?.text ?? '')?.[1];
  const accepted = await call('POST', '/auth/invitations/accept', { body: { token, password, displayName: 'Ravi' } });
  expect(joinedAnswer.parse(accepted.body)).toEqual({ tenant: owner.slug, userId });
  return { userId, email, slug: owner.slug };
}

describe('identity over HTTP', () => {
  it('logs in, says who it is, refreshes, and after the logout knows nobody', async () => {
    const first = await login();
    expect(first).toMatchObject({ tokenType: 'Bearer', expiresIn: 300 });
    const me = await call('GET', '/users/me', { token: first.accessToken });
    expect(userAnswer.parse(me.body)).toMatchObject({ id: first.user.id, email: owner.email, status: 'active' });
    const refreshed = await call('POST', '/auth/refresh', { body: { refreshToken: first.refreshToken } });
    const { accessToken, refreshToken } = grantAnswer.parse(refreshed.body);
    const listed = await call('GET', '/sessions', { token: accessToken });
    expect(sessionsAnswer.parse(listed.body).data).toMatchObject([{ id: first.sessionId, current: true }]);
    expect((await call('POST', '/auth/logout', { token: accessToken })).status).toBe(204);
    expect(await call('GET', '/users/me', { token: accessToken })).toMatchObject({
      status: 401,
      body: { code: 'session.ended' },
    });
    expect(await call('POST', '/auth/refresh', { body: { refreshToken } })).toMatchObject({ status: 401 });
  });

  it('tells a refused login nothing but its code, and never repeats what was sent', async () => {
    const wrong = await call('POST', '/auth/login', {
      body: { tenant: owner.slug, email: owner.email, password: 'canary password' },
    });
    expect(wrong).toMatchObject({ status: 401, body: { code: 'credentials.wrong' } });
    const unknown = await call('POST', '/auth/login', {
      body: { tenant: owner.slug, email: owner.email, pass: 'canary' },
    });
    expect(unknown).toMatchObject({ status: 422, body: { code: 'request.invalid' } });
    for (const { body } of [wrong, unknown]) {
      expect(JSON.stringify(body)).not.toContain('canary');
      expect(JSON.stringify(body)).not.toContain(owner.email);
    }
  });

  it('invites with an Idempotency-Key once, and shows a weak password as a mistake at its place', async () => {
    const { accessToken } = await login();
    const invite = () =>
      call('POST', '/users/invitations', {
        token: accessToken,
        body: { email: 'nurse@harbor.example', roles: ['nurse'] },
        headers: { 'idempotency-key': 'invite-1' },
      });
    const [first, again] = [await invite(), await invite()];
    expect(again).toMatchObject({ status: 201, body: first.body, headers: { 'idempotency-replayed': 'true' } });
    const { invitationId } = invitedAnswer.parse(first.body);
    const letter = await app.get(Identity).mail(owner.ctx, 'invitation', invitationId);
    const token = /#token=(\S+)/.exec(letter?.text ?? '')?.[1];
    const weak = await call('POST', '/auth/invitations/accept', {
      body: { token, password: 'Password1234!', displayName: 'Ravi' },
    });
    expect(weak).toMatchObject({
      status: 422,
      body: { code: 'password.guessable', errors: [{ pointer: '/password' }] },
    });
  });

  it('lists page by page under a sealed cursor', async () => {
    const { accessToken } = await login();
    await join(['nurse']);
    const first = await call('GET', '/users?limit=1', { token: accessToken });
    const { data, page } = usersAnswer.parse(first.body);
    const second = await call('GET', `/users?limit=1&cursor=${'nextCursor' in page ? page.nextCursor : ''}`, {
      token: accessToken,
    });
    expect(usersAnswer.parse(second.body)).toMatchObject({
      data: [{ displayName: 'Ravi' }],
      page: { nextCursor: null },
    });
    expect(data).toMatchObject([{ displayName: 'Inès Moreau' }]);
  });

  it('changes users only from the version that was read, and denies those who may not', async () => {
    const nurse = await join(['nurse']);
    const { accessToken } = await login();
    const read = await call('GET', `/users/${nurse.userId}`, { token: accessToken });
    const etag = String(read.headers.etag);
    const path = `/users/${nurse.userId}/roles`;
    const change = (token: string, headers: Record<string, string>) =>
      call('PUT', path, { token, headers, body: { roles: ['billing'] } });
    expect((await change(accessToken, {})).status).toBe(428);
    const changed = await change(accessToken, { 'if-match': etag });
    expect(changed).toMatchObject({ status: 200, body: { roles: ['billing'] } });
    expect(changed.headers.etag).not.toBe(etag);
    expect(await change(accessToken, { 'if-match': etag })).toMatchObject({
      status: 412,
      body: { code: 'user.changed' },
    });
    const theirs = await login(nurse);
    expect((await change(theirs.accessToken, { 'if-match': etag })).status).toBe(403);
    const disabled = await call('POST', `/users/${nurse.userId}/disable`, {
      token: accessToken,
      headers: { 'if-match': String(changed.headers.etag) },
    });
    expect(disabled).toMatchObject({ status: 200, body: { status: 'disabled' } });
    clock.advance(1_000);
    expect((await call('GET', '/users/me', { token: theirs.accessToken })).status).toBe(401);
  });

  it('ends a colleague’s session, and answers 404 for people and sessions of another tenant as for unknown ones', async () => {
    const nurse = await join(['nurse']);
    const theirs = await login(nurse);
    const { accessToken } = await login();
    const ended = await call('DELETE', `/users/${nurse.userId}/sessions/${theirs.sessionId}`, { token: accessToken });
    expect(ended.status).toBe(204);
    expect((await call('GET', '/users/me', { token: theirs.accessToken })).status).toBe(401);
    const foreign = await login();
    const stranger = await databases.newTenant();
    const { slug } = await databases.sharding.tenants.byId(stranger.tenant.id);
    await app.get(Identity).users.createOwner(stranger, { email: 's@else.example', displayName: 'S', password });
    const elsewhere = await login({ slug, email: 's@else.example' });
    const ask = (method: 'GET' | 'DELETE', path: string) => call(method, path, { token: elsewhere.accessToken });
    for (const [method, path, known] of [
      ['GET', (id: string) => `/users/${id}`, nurse.userId],
      ['GET', (id: string) => `/users/${id}/sessions`, nurse.userId],
      ['DELETE', (id: string) => `/users/${nurse.userId}/sessions/${id}`, foreign.sessionId],
      ['DELETE', (id: string) => `/sessions/${id}`, foreign.sessionId],
    ] as const) {
      const [there, nowhere] = [await ask(method, path(known)), await ask(method, path(newId()))];
      expect(there.status).toBe(404);
      expect(there.body.code).toBe(nowhere.body.code);
    }
    expect((await call('GET', '/users/me', { token: foreign.accessToken })).status).toBe(200);
  });

  it('answers a request for a new password the same for everybody', async () => {
    const ask = (email: string, tenant = owner.slug) =>
      call('POST', '/auth/password-reset', { body: { tenant, email } });
    const answers = [await ask(owner.email), await ask('nobody@harbor.example'), await ask(owner.email, 'no-clinic')];
    expect(answers.map(({ status, body }) => ({ status, body }))).toEqual(Array(3).fill({ status: 202, body: null }));
    const refused = await call('POST', '/auth/password-reset/confirm', {
      body: { token: 'ppr_x', newPassword: password },
    });
    expect(refused).toMatchObject({ status: 422, body: { code: 'password_reset.invalid' } });
  });
});
