import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Identity } from '#infra/identity';
import { FixedClock, newId } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { identityMetricsOf, startIdentityApi } from './identity-api.js';

const password = 'seven otters left early';
const siteKey = '0x4AAAAAAA-site';
const secret = 'heron-secret-4';
const clock = new FixedClock(Date.parse('2026-12-01T09:00:00Z'));
let databases: TestDatabases;
let server: Server;
/** Tokens that the provider knows, each good for once; null: it is broken. */
let solved: Set<string> | null;
const asked: string[] = [];
const apps: NestFastifyApplication[] = [];

beforeAll(async () => {
  databases = await openTestDatabases({ clock });
  server = createServer((request, response) => {
    void text(request).then((body) => {
      const form = new URLSearchParams(body);
      asked.push(body);
      response.statusCode = solved === null ? 500 : 200;
      const success = form.get('secret') === secret && (solved?.delete(form.get('response') ?? '') ?? false);
      response.end(JSON.stringify({ success, 'error-codes': success ? [] : ['invalid-input-response'] }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}, 120_000);
afterAll(async () => {
  await Promise.all(apps.map((app) => app.getHttpAdapter().close()));
  server?.close();
  await databases?.close();
});
beforeEach(() => {
  solved = new Set();
  asked.length = 0;
  clock.set(Date.parse('2026-12-01T09:00:00Z'));
});

const start = async (provider: 'turnstile' | 'test' | 'none') => {
  const app = await startIdentityApi(databases, clock, {
    CHALLENGE_PROVIDER: provider,
    CHALLENGE_SITE_KEY: siteKey,
    CHALLENGE_SECRET: secret,
    CHALLENGE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/siteverify`,
  });
  apps.push(app);
  const ctx = await databases.newTenant();
  const { slug } = await databases.sharding.tenants.byId(ctx.tenant.id);
  const email = `owner-${newId().slice(-8)}@harbor.example`;
  await app.get(Identity).users.createOwner(ctx, { email, displayName: 'Inès Moreau', password });
  const login = async (given: { email?: string; password: string; challengeToken?: string }) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/api/v1/auth/login',
      payload: { tenant: slug, email, ...given },
    });
    return { status: answer.statusCode, type: String(answer.headers['content-type']), body: answer.json() };
  };
  const guess = async (times: number, of: { email?: string } = {}) => {
    const codes: string[] = [];
    for (let n = 0; n < times; n += 1) codes.push((await login({ ...of, password: `a guess ${n}` })).body.code);
    return codes;
  };
  const count = async (result: string) => {
    const { body } = await (identityMetricsOf.get(app) as { expose(): Promise<{ body: string }> }).expose();
    const line = body.split('\n').find((each) => each.startsWith(`identity_challenges_total{result="${result}"`));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  return { ctx, email, login, guess, count };
};
const wrong = (times: number) => Array(times).fill('credentials.wrong');
const solve = () => {
  const token = `token-${newId()}`;
  solved?.add(token);
  return token;
};

describe('whoever guesses passwords', () => {
  it('[C-142] must solve a challenge after 5 failures, the right password or not, and gets in with its token', async () => {
    const { login, guess, count } = await start('turnstile');
    expect(await guess(5)).toEqual(wrong(5));
    const refused = await login({ password });
    expect(refused).toMatchObject({
      status: 403,
      type: expect.stringContaining('application/problem+json'),
      body: { code: 'auth.challenge_required', challenge: { provider: 'turnstile', siteKey } },
    });
    expect(JSON.stringify(refused.body)).not.toContain(secret);
    expect(asked).toEqual([]);
    expect((await login({ password, challengeToken: 'made-up' })).body.code).toBe('auth.challenge_failed');
    const token = solve();
    expect(await login({ password, challengeToken: token })).toMatchObject({ status: 200 });
    expect(asked.at(-1)).toBe(`secret=${secret}&response=${token}`);
    expect([await count('demanded'), await count('refused'), await count('passed')]).toEqual([1, 1, 1]);
    expect((await login({ password })).status).toBe(200);
  });

  it('[C-142] is challenged alike for an address that nobody has, and before each further attempt', async () => {
    const { login, guess } = await start('turnstile');
    const nobody = { email: `nobody-${newId().slice(-8)}@harbor.example` };
    const answers = await Promise.all(
      [{}, nobody].map(async (of) => {
        const codes = await guess(6, of);
        const failed = (await login({ ...of, password, challengeToken: 'made-up' })).body;
        const guessed = await login({ ...of, password: 'another guess', challengeToken: solve() });
        const again = (await login({ ...of, password: 'another guess' })).body;
        return [codes, failed, guessed.body, again].map((each) =>
          JSON.stringify(each).replace(/"requestId":"[^"]*"/, ''),
        );
      }),
    );
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[0]?.join()).toContain('auth.challenge_failed');
    expect(JSON.parse(answers[0]?.[0] ?? '')).toEqual([...wrong(5), 'auth.challenge_required']);
  });

  it('costs no attempt while the challenge is not solved, and leaves a record of each refusal', async () => {
    const { ctx, login, guess } = await start('turnstile');
    await guess(5);
    expect(await guess(8)).toEqual(Array(8).fill('auth.challenge_required'));
    expect((await login({ password, challengeToken: solve() })).status).toBe(200);
    const [row] = await databases.asAdmin<{ count: number }>(
      'directory',
      `select count(*)::int as count from audit_event where tenant_id = $1 and action = 'session.login' and outcome = 'denied'`,
      [ctx.tenant.id],
    );
    expect(row?.count).toBe(8);
  });

  it('is let through where the provider is away, and locked out after ten attempts all the same', async () => {
    const { login, guess, count } = await start('turnstile');
    await guess(5);
    solved = null;
    for (let n = 0; n < 5; n += 1)
      expect((await login({ password: `guess ${n}`, challengeToken: 'any' })).body.code).toBe('credentials.wrong');
    expect(await login({ password, challengeToken: 'any' })).toMatchObject({
      status: 429,
      body: { code: 'login.locked' },
    });
    expect(await count('away')).toBe(5);
    clock.advance(30_001);
    expect((await login({ password })).body.code).toBe('auth.challenge_required');
    expect((await login({ password, challengeToken: 'any' })).status).toBe(200);
  });

  it('[C-142] shows the word of a test environment instead, and nothing where nobody is named', async () => {
    const test = await start('test');
    await test.guess(5);
    expect((await test.login({ password })).body.challenge).toEqual({ provider: 'test', siteKey });
    expect((await test.login({ password, challengeToken: secret })).status).toBe(200);
    const none = await start('none');
    expect(await none.guess(10)).toEqual(wrong(10));
    expect((await none.login({ password })).body.code).toBe('login.locked');
    expect(asked).toEqual([]);
  });
});
