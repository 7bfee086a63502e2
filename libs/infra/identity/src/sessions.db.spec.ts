import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isAppError, newId, type SessionId, type UserId } from '#infra/kernel';
import { IdentityFixture, minute, ownerPassword, start } from '../test/identity-fixture.js';
import { lockout } from './lockout.js';

const hour = 60 * minute;
let fixture: IdentityFixture;
let sessions: IdentityFixture['identity']['sessions'];

beforeAll(async () => {
  fixture = await IdentityFixture.open();
  sessions = fixture.identity.sessions;
});
afterAll(() => fixture.databases.close());
beforeEach(() => fixture.clock.set(start));

const refresh = (refreshToken: string, from = sessions) => from.refresh(fixture.anonymous(), refreshToken);
const codeOf = async (attempt: Promise<unknown>): Promise<string> => {
  try {
    await attempt;
    return 'none';
  } catch (error) {
    if (isAppError(error)) return error.code;
    throw error;
  }
};

describe('a login', () => {
  it('opens a session whose token speaks for the user in their tenant, with the permissions of their roles', async () => {
    const owner = await fixture.newOwner();
    const grant = await fixture.login(owner);
    expect(grant).toMatchObject({
      expiresInS: 300,
      user: { id: owner.userId, displayName: 'Inès Moreau', roles: ['owner', 'privacy_officer'] },
    });
    const { tenant, actor } = await sessions.authenticate(grant.accessToken);
    expect(tenant).toEqual(owner.tenant);
    expect(actor).toMatchObject({ kind: 'user', id: owner.userId, sessionId: grant.sessionId });
    expect([...actor.permissions].sort()).toEqual(grant.user.permissions);
    expect(actor.permissions.has('users.manage')).toBe(true);
  });

  it('takes the address in any spelling of the same mailbox', async () => {
    const owner = await fixture.newOwner();
    await expect(fixture.login({ ...owner, email: ` ${owner.email.toUpperCase()} ` })).resolves.toBeDefined();
  });

  it('is refused in the same words for a wrong password, an unknown address and an unknown tenant', async () => {
    const owner = await fixture.newOwner();
    const other = await fixture.newOwner();
    const attempts = [
      () => fixture.login(owner, 'seven otters left lately'),
      () => fixture.login({ ...owner, email: 'nobody@harbor.example' }),
      () => fixture.login({ ...owner, slug: 'no-such-clinic' }),
      () => fixture.login({ slug: other.slug, email: owner.email }),
    ];
    for (const attempt of attempts)
      await expect(attempt()).rejects.toMatchObject({ kind: 'unauthenticated', code: 'credentials.wrong' });
  });

  it('leaves one audit event, whether it succeeds or fails', async () => {
    const owner = await fixture.newOwner();
    await codeOf(fixture.login(owner, 'wrong password one'));
    await fixture.login(owner);
    await codeOf(fixture.login({ ...owner, email: 'nobody@harbor.example' }));
    const logins = (await fixture.auditOf(owner.tenant)).filter((event) => event.action === 'session.login');
    expect(logins).toEqual([
      { action: 'session.login', outcome: 'failure', actor: 'anonymous', resource: owner.userId },
      { action: 'session.login', outcome: 'success', actor: 'user', resource: owner.userId },
      { action: 'session.login', outcome: 'failure', actor: 'anonymous', resource: null },
    ]);
  });

  it('beyond five at once ends the oldest session', async () => {
    const owner = await fixture.newOwner();
    const grants = [];
    for (let n = 0; n < 6; n += 1) {
      fixture.clock.advance(1_000);
      grants.push(await fixture.login(owner));
    }
    expect(await codeOf(sessions.authenticate(grants[0]!.accessToken))).toBe('session.ended');
    for (const grant of grants.slice(1)) await expect(sessions.authenticate(grant.accessToken)).resolves.toBeDefined();
  });

  it('that is under way when its user is disabled opens nothing that outlives the disabling', async () => {
    const owner = await fixture.newOwner();
    const nurse = await fixture.join(owner, ['nurse']);
    const me = await fixture.as(await fixture.login(owner));
    let { version } = await fixture.identity.users.read(me, nurse.userId);
    for (let round = 0; round < 4; round += 1) {
      const [login] = await Promise.allSettled([
        fixture.login(nurse),
        fixture.identity.users.disable(me, nurse.userId, version),
      ]);
      await fixture.identity.users.enable(me, nurse.userId, version + 1);
      version += 2;
      fixture.clock.advance(1_000);
      const code =
        login.status === 'fulfilled' ? await codeOf(sessions.authenticate(login.value.accessToken)) : 'refused';
      expect(['session.ended', 'refused']).toContain(code);
    }
  });

  it('makes a password hash of older parameters a new one', async () => {
    const owner = await fixture.newOwner();
    const { hash } = await import('@node-rs/argon2');
    const old = await hash(ownerPassword, { memoryCost: 4_096, timeCost: 2, parallelism: 1 });
    const set = 'update user_account set password_hash = $2 where id = $1';
    await fixture.databases.asAdmin('directory', set, [owner.userId, old]);
    await fixture.login(owner);
    const [row] = await fixture.databases.asAdmin<{ password_hash: string }>(
      'directory',
      'select password_hash from user_account where id = $1',
      [owner.userId],
    );
    expect(row?.password_hash).toContain('m=19456,t=2,p=1');
    await expect(fixture.login(owner)).resolves.toBeDefined();
  });
});

describe('a lock-out', () => {
  it.each(['an address that somebody has', 'an address that nobody has'])(
    'comes after ten attempts for %s, and ends by itself',
    async (whose) => {
      const owner = await fixture.newOwner();
      const target = whose.includes('nobody') ? { ...owner, email: 'nobody@harbor.example' } : owner;
      for (let n = 0; n < lockout.freeAttempts; n += 1)
        expect(await codeOf(fixture.login(target, `wrong password ${n}`))).toBe('credentials.wrong');
      await expect(fixture.login(target)).rejects.toMatchObject({
        kind: 'limited',
        code: 'login.locked',
        options: { retryAfterMs: lockout.firstLockMs },
      });
      fixture.clock.advance(lockout.firstLockMs);
      expect(await codeOf(fixture.login(target))).toBe(target === owner ? 'none' : 'credentials.wrong');
      expect(await codeOf(fixture.login(target))).toBe(target === owner ? 'none' : 'login.locked');
    },
  );

  it('lets no more passwords be tried when they all come at once', async () => {
    const owner = await fixture.newOwner();
    const codes = await Promise.all(
      Array.from({ length: 30 }, (_, n) => codeOf(fixture.login(owner, `wrong password ${n}`))),
    );
    expect(codes.filter((code) => code === 'credentials.wrong')).toHaveLength(lockout.freeAttempts);
    expect(codes.filter((code) => code === 'login.locked')).toHaveLength(20);
    const outcomes = (await fixture.auditOf(owner.tenant)).slice(1).map((event) => event.outcome);
    expect(outcomes.filter((outcome) => outcome === 'failure')).toHaveLength(lockout.freeAttempts);
    expect(outcomes.filter((outcome) => outcome === 'denied')).toHaveLength(20);
  });
});

describe('a bearer token', () => {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

  it('[H24] that is forged, confused, stale or meant for somebody else is 401', async () => {
    const owner = await fixture.newOwner();
    const { accessToken } = await fixture.login(owner);
    const claims = JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString());
    const { signing } = fixture;
    const good = { alg: 'EdDSA', typ: 'at+jwt', kid: signing.kid };
    const stranger = generateKeyPairSync('ed25519');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const signed = (header: object, changes: object, seal: (text: string) => Buffer) => {
      const text = `${part(header)}.${part({ ...claims, ...changes })}`;
      return `${text}.${seal(text).toString('base64url')}`;
    };
    const ours = (text: string) => signing.sign(Buffer.from(text));
    const theirs = (text: string) => sign(null, Buffer.from(text), stranger.privateKey);
    const hmac = (text: string) =>
      createHmac('sha256', signing.publicKey.export({ format: 'pem', type: 'spki' }))
        .update(text)
        .digest();
    const jwk = stranger.publicKey.export({ format: 'jwk' });
    const seconds = start / 1_000;
    const forgeries = {
      'alg none': signed({ ...good, alg: 'none' }, {}, () => Buffer.alloc(0)),
      'HS256 with the public key': signed({ ...good, alg: 'HS256' }, {}, hmac),
      RS256: signed({ ...good, alg: 'RS256' }, {}, (text) => sign('sha256', Buffer.from(text), rsa.privateKey)),
      'wrong audience': signed(good, { aud: 'ws' }, ours),
      'wrong issuer': signed(good, { iss: 'https://else.example' }, ours),
      'wrong type': signed({ ...good, typ: 'JWT' }, {}, ours),
      expired: signed(good, { iat: seconds - 600, exp: seconds - 300 }, ours),
      'from the future': signed(good, { iat: seconds + 60, exp: seconds + 360 }, ours),
      'unknown kid': signed({ ...good, kid: 'unknown' }, {}, theirs),
      jku: signed({ ...good, jku: 'https://keys.example/jwks' }, {}, theirs),
      jwk: signed({ ...good, jwk }, {}, theirs),
      x5u: signed({ ...good, x5u: 'https://keys.example/x5u' }, {}, theirs),
    };
    for (const [name, token] of Object.entries(forgeries)) {
      const refusal = await sessions.authenticate(token).catch((error: unknown) => error);
      expect({ name, refusal }).toMatchObject({ name, refusal: { kind: 'unauthenticated', code: 'token.invalid' } });
    }
    await expect(sessions.authenticate(signed(good, {}, ours))).resolves.toBeDefined();
  });

  it('with a good signature and another user’s session, or a session that never was, is refused', async () => {
    const owner = await fixture.newOwner();
    const other = await fixture.newOwner();
    const [mine, theirs] = [await fixture.login(owner), await fixture.login(other)];
    const claims = JSON.parse(Buffer.from(mine.accessToken.split('.')[1]!, 'base64url').toString());
    const made = (changes: object) => {
      const head = part({ alg: 'EdDSA', typ: 'at+jwt', kid: fixture.signing.kid });
      const text = `${head}.${part({ ...claims, ...changes })}`;
      return `${text}.${fixture.signing.sign(Buffer.from(text)).toString('base64url')}`;
    };
    for (const changes of [
      { sid: theirs.sessionId },
      { sid: newId<SessionId>() },
      { sub: newId<UserId>() },
      { tid: other.tenant.id },
      { tid: newId() },
    ])
      expect(await codeOf(sessions.authenticate(made(changes)))).toBe('session.ended');
    await expect(sessions.authenticate(made({}))).resolves.toBeDefined();
  });

  it('is known at once for a second after it was asked about, as the same caller, and no longer than its session stands', async () => {
    const { accessToken } = await fixture.login(await fixture.newOwner());
    expect(sessions.known(accessToken)).toBeUndefined();
    const asked = await sessions.authenticate(accessToken);
    const caller = sessions.known(accessToken);
    expect(caller).toEqual(asked);
    fixture.clock.advance(999);
    expect(sessions.known(accessToken)).toBe(caller);
    fixture.clock.advance(1);
    expect(sessions.known(accessToken)).toBeUndefined();

    await sessions.authenticate(accessToken);
    expect(sessions.known(accessToken)).toBeDefined();
    await sessions.logout(await fixture.as({ accessToken }));
    expect(sessions.known(accessToken)).toBeUndefined();
  });

  it('is not known where its tenant has been suspended', async () => {
    const owner = await fixture.newOwner();
    const { accessToken } = await fixture.login(owner);
    await sessions.authenticate(accessToken);
    expect(sessions.known(accessToken)).toBeDefined();
    await fixture.databases.sharding.tenants.suspend(owner.tenant.id);
    expect(sessions.known(accessToken)).toBeUndefined();
  });
});

describe('a refresh token', () => {
  it('gives a new pair each time, and the pair works', async () => {
    const owner = await fixture.newOwner();
    const login = await fixture.login(owner);
    const second = await refresh(login.refreshToken);
    const third = await refresh(second.refreshToken);
    expect(new Set([login.refreshToken, second.refreshToken, third.refreshToken]).size).toBe(3);
    const { actor } = await sessions.authenticate(third.accessToken);
    expect(actor.sessionId).toBe(login.sessionId);
  });

  it('gives the same successor again to a client whose answer was lost, however late it asks', async () => {
    const owner = await fixture.newOwner();
    const login = await fixture.login(owner);
    const lost = await refresh(login.refreshToken);
    fixture.clock.advance(14 * minute);
    const again = await refresh(login.refreshToken);
    expect(again.refreshToken).toBe(lost.refreshToken);
    await expect(refresh(again.refreshToken)).resolves.toBeDefined();
  });

  it('[H25] used again after its successor was used ends the session; 50 at once get one successor', async () => {
    const owner = await fixture.newOwner();
    const login = await fixture.login(owner);
    const second = fixture.process();
    const crowd = await Promise.all(
      Array.from({ length: 50 }, (_, n) => refresh(login.refreshToken, n % 2 === 0 ? sessions : second.sessions)),
    );
    expect(new Set(crowd.map((grant) => grant.refreshToken)).size).toBe(1);
    for (const grant of crowd) await expect(sessions.authenticate(grant.accessToken)).resolves.toBeDefined();
    const third = await refresh(crowd[0]!.refreshToken);
    expect(await codeOf(refresh(login.refreshToken))).toBe('refresh_token.reused');
    expect(await codeOf(refresh(third.refreshToken))).toBe('session.ended');
    expect(await codeOf(sessions.authenticate(third.accessToken))).toBe('session.ended');
    const events = await fixture.auditOf(owner.tenant);
    expect(events.filter((event) => event.action === 'token.reuse')).toEqual([
      { action: 'token.reuse', outcome: 'denied', actor: 'anonymous', resource: login.sessionId },
    ]);
  });

  it('that was made up ends nobody’s session', async () => {
    const owner = await fixture.newOwner();
    const login = await fixture.login(owner);
    const bytes = Buffer.from(login.refreshToken.slice(4), 'base64url');
    randomBytes(32).copy(bytes, 32);
    expect(await codeOf(refresh(`prt_${bytes.toString('base64url')}`))).toBe('refresh_token.invalid');
    expect(await codeOf(refresh('prt_'))).toBe('refresh_token.invalid');
    expect(await codeOf(refresh(login.accessToken))).toBe('refresh_token.invalid');
    await expect(refresh(login.refreshToken)).resolves.toBeDefined();
  });

  it('of a session that was logged out is just worth nothing', async () => {
    const owner = await fixture.newOwner();
    const login = await fixture.login(owner);
    const second = await refresh(login.refreshToken);
    await sessions.logout(await fixture.as(second));
    for (const token of [login.refreshToken, second.refreshToken])
      expect(await codeOf(refresh(token))).toBe('session.ended');
    const actions = (await fixture.auditOf(owner.tenant)).map((event) => event.action);
    expect(actions).toContain('session.logout');
    expect(actions).not.toContain('token.reuse');
  });

  it('is stored only as its hash', async () => {
    const owner = await fixture.newOwner();
    const login = await fixture.login(owner);
    const secret = Buffer.from(login.refreshToken.slice(4), 'base64url').subarray(32, 64).toString('hex');
    const rows = await fixture.databases.asAdmin<{ text: string }>(
      'directory',
      'select s::text as text from user_session s where id = $1',
      [login.sessionId],
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]?.text).not.toContain(secret);
  });
});

describe('a session', () => {
  it('[D-067] [D-114] changes its tokens, ends 15 minutes after its last use and 12 hours after the login', async () => {
    const owner = await fixture.newOwner();
    let held: { accessToken: string; refreshToken: string } = await fixture.login(owner);
    const used = new Set<string>();
    while (fixture.clock.now() < start + 12 * hour - 4 * minute) {
      used.add(held.refreshToken);
      fixture.clock.advance(4 * minute);
      await fixture.as(held);
      held = await refresh(held.refreshToken);
    }
    expect(used.size).toBe(179);
    fixture.clock.set(start + 12 * hour);
    expect(await codeOf(refresh(held.refreshToken))).toBe('session.ended');

    const idle = await fixture.login(owner);
    await fixture.as(idle);
    fixture.clock.advance(14 * minute);
    const kept = await refresh(idle.refreshToken);
    fixture.clock.advance(2 * minute);
    expect(await codeOf(refresh(kept.refreshToken))).toBe('session.ended');
    expect(await codeOf(sessions.authenticate(kept.accessToken))).toBe('session.ended');
  });

  it('[D-063] that was revoked is refused within a second on every process; without Redis tokens are verified and refreshed', async () => {
    const owner = await fixture.newOwner();
    const login = await fixture.login(owner);
    const nodes = [fixture.identity, fixture.process(), fixture.process()];
    for (const node of nodes) await expect(node.sessions.authenticate(login.accessToken)).resolves.toBeDefined();
    await sessions.revokeOwn(await fixture.as(await fixture.login(owner)), login.sessionId);
    expect(await codeOf(sessions.authenticate(login.accessToken))).toBe('session.ended');
    fixture.clock.advance(1_000);
    for (const node of nodes) expect(await codeOf(node.sessions.authenticate(login.accessToken))).toBe('session.ended');

    const alone = await IdentityFixture.open({ REDIS_URL: 'redis://127.0.0.1:1' });
    try {
      const there = await alone.login(await alone.newOwner());
      await expect(alone.identity.sessions.authenticate(there.accessToken)).resolves.toBeDefined();
      const refreshed = await alone.identity.sessions.refresh(alone.anonymous(), there.refreshToken);
      await expect(alone.identity.sessions.authenticate(refreshed.accessToken)).resolves.toBeDefined();
    } finally {
      await alone.databases.close();
    }
  });

  it('[C-116] adds its length to the durations when its user logs out', async () => {
    const owner = await fixture.newOwner();
    const login = await fixture.login(owner);
    const before = await durations();
    fixture.clock.advance(4 * minute);
    await sessions.logout(await fixture.as(login));
    const after = await durations();
    expect(after.count - before.count).toBe(1);
    expect(after.sumS - before.sumS).toBeCloseTo(240);
  });

  it('is listed for its user and ended by them, one by one, and by nobody else', async () => {
    const owner = await fixture.newOwner();
    const first = await fixture.login(owner);
    fixture.clock.advance(1_000);
    const second = await fixture.login(owner);
    const me = await fixture.as(second);
    expect((await sessions.listOwn(me)).map((session) => session.id)).toEqual([second.sessionId, first.sessionId]);
    const stranger = await fixture.as(await fixture.login(await fixture.newOwner()));
    expect(await codeOf(sessions.revokeOwn(stranger, first.sessionId))).toBe('session.unknown');
    expect(await codeOf(sessions.revoke(stranger, owner.userId, first.sessionId))).toBe('session.unknown');
    expect(await codeOf(sessions.list(stranger, owner.userId))).toBe('user.unknown');
    await sessions.revokeOwn(me, first.sessionId);
    expect(await codeOf(sessions.revokeOwn(me, first.sessionId))).toBe('session.unknown');
    expect((await sessions.listOwn(me)).map((session) => session.id)).toEqual([second.sessionId]);
  });

  it('of a colleague is ended by whoever may manage sessions', async () => {
    const owner = await fixture.newOwner();
    const nurse = await fixture.join(owner, ['nurse']);
    const theirs = await fixture.login(nurse);
    const me = await fixture.as(await fixture.login(owner));
    expect((await sessions.list(me, nurse.userId)).map((session) => session.id)).toEqual([theirs.sessionId]);
    await sessions.revoke(me, nurse.userId, theirs.sessionId);
    expect(await codeOf(sessions.authenticate(theirs.accessToken))).toBe('session.ended');
  });
});

async function durations(): Promise<{ count: number; sumS: number }> {
  const { body } = await fixture.metrics.expose();
  const read = (part: string) =>
    Number(new RegExp(`identity_session_duration_seconds_${part}\\{end="logout"\\} (\\S+)`).exec(body)?.[1] ?? 0);
  return { count: read('count'), sumS: read('sum') };
}
