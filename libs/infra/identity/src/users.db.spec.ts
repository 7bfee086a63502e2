import { isAppError, newId, type UserId } from '#infra/kernel';
import { IdentityFixture, minute, type Owner, ownerPassword, start } from '../test/identity-fixture.js';
import { resetMails } from './password-resets.js';

const day = 24 * 60 * minute;
const password = 'four herons on the pier';
let fixture: IdentityFixture;
let identity: IdentityFixture['identity'];

beforeAll(async () => {
  fixture = await IdentityFixture.open();
  identity = fixture.identity;
});
afterAll(() => fixture.databases.close());
beforeEach(() => fixture.clock.set(start));

const codeOf = async (attempt: Promise<unknown>): Promise<string> => {
  try {
    await attempt;
    return 'none';
  } catch (error) {
    if (isAppError(error)) return error.code;
    throw error;
  }
};
const asOwner = async (owner: Owner) => fixture.as(await fixture.login(owner));
const inviteAs = async (owner: Owner, email: string, roles: ('nurse' | 'owner' | 'billing')[] = ['nurse']) =>
  identity.invitations.invite(await asOwner(owner), { email, roles });
const newAddress = () => `new-${newId().slice(-8)}@harbor.example`;

describe('the users of a tenant', () => {
  it('are listed page by page in the order in which they came, for their own tenant only', async () => {
    const owner = await fixture.newOwner();
    const invited = [];
    for (let n = 0; n < 4; n += 1) invited.push((await inviteAs(owner, newAddress())).userId);
    const me = await asOwner(owner);
    const first = await identity.users.list(me, { limit: 3, after: null });
    const second = await identity.users.list(me, { limit: 3, after: first.next });
    expect([...first.items, ...second.items].map((user) => user.id)).toEqual([owner.userId, ...invited]);
    expect(second.next).toBeNull();
    expect(first.items[0]).toMatchObject({ email: owner.email, displayName: 'Inès Moreau', status: 'active' });
    const stranger = await asOwner(await fixture.newOwner());
    expect(await codeOf(identity.users.read(stranger, owner.userId))).toBe('user.unknown');
    expect(await codeOf(identity.users.read(stranger, newId<UserId>()))).toBe('user.unknown');
  });

  it('have names and addresses that stand in clear in no row of the directory', async () => {
    const owner = await fixture.newOwner();
    const canary = `canary-${newId().slice(-8)}`;
    const { invitationId } = await inviteAs(owner, `${canary}@harbor.example`);
    const token = await fixture.mailedToken(owner.tenant, 'invitation', invitationId);
    await identity.invitations.accept(fixture.anonymous(), { token, password, displayName: `Zoë ${canary}` });
    await identity.passwordResets.request(fixture.anonymous(), {
      tenant: owner.slug,
      email: `${canary}@harbor.example`,
    });
    await fixture.login({ ...owner, email: `${canary}@harbor.example` }, password);
    const tables = await fixture.databases.asAdmin<{ name: string }>(
      'directory',
      `select table_name as name from information_schema.tables
        where table_schema = 'public' and table_type = 'BASE TABLE'`,
    );
    expect(tables.length).toBeGreaterThan(10);
    for (const { name } of tables) {
      const found = await fixture.databases.asAdmin(
        'directory',
        `select from ${name} t where t::text like $1 or t::text like $2`,
        [`%${canary}%`, `%${Buffer.from(canary).toString('hex')}%`],
      );
      expect({ name, found: found.length }).toEqual({ name, found: 0 });
    }
  });

  it('are seen by the application’s role only inside their tenant', async () => {
    const owner = await fixture.newOwner();
    await codeOf(fixture.login(owner, 'a wrong password'));
    await inviteAs(owner, newAddress());
    await identity.passwordResets.request(fixture.anonymous(), { tenant: owner.slug, email: owner.email });
    for (const table of [
      'user_account',
      'user_email',
      'role_assignment',
      'user_session',
      'invitation',
      'password_reset',
    ]) {
      expect(await fixture.databases.asApp('directory', `select from ${table}`)).toHaveLength(0);
      expect((await fixture.databases.asAdmin('directory', `select from ${table}`)).length).toBeGreaterThan(0);
    }
  });

  it('change roles within a second on every process, for tokens that were given out before', async () => {
    const owner = await fixture.newOwner();
    const nurse = await fixture.join(owner, ['nurse']);
    const login = await fixture.login(nurse);
    const nodes = [identity, fixture.process()];
    for (const node of nodes) {
      const { actor } = await node.sessions.authenticate(login.accessToken);
      expect(actor.permissions.has('catalogue.manage')).toBe(false);
    }
    const me = await asOwner(owner);
    const { version } = await identity.users.read(me, nurse.userId);
    const changed = await identity.users.changeRoles(me, nurse.userId, ['admin'], version);
    expect(changed).toMatchObject({ roles: ['admin'], version: version + 1 });
    fixture.clock.advance(1_000);
    for (const node of nodes) {
      const { actor } = await node.sessions.authenticate(login.accessToken);
      expect(actor.permissions.has('catalogue.manage')).toBe(true);
      expect(actor.permissions.has('appointments.read')).toBe(false);
    }
  });

  it('[H26] who are disabled are out within a second on every process, and in again when enabled', async () => {
    const owner = await fixture.newOwner();
    const nurse = await fixture.join(owner, ['nurse']);
    const login = await fixture.login(nurse);
    const nodes = [identity, fixture.process()];
    for (const node of nodes) await expect(node.sessions.authenticate(login.accessToken)).resolves.toBeDefined();
    const me = await asOwner(owner);
    const { version } = await identity.users.read(me, nurse.userId);
    const disabled = await identity.users.disable(me, nurse.userId, version);
    expect(disabled.status).toBe('disabled');
    fixture.clock.advance(999);
    expect(await codeOf(identity.sessions.authenticate(login.accessToken))).toBe('session.ended');
    fixture.clock.advance(1);
    for (const node of nodes) expect(await codeOf(node.sessions.authenticate(login.accessToken))).toBe('session.ended');
    expect(await codeOf(identity.sessions.refresh(fixture.anonymous(), login.refreshToken))).toBe('session.ended');
    expect(await codeOf(fixture.login(nurse))).toBe('credentials.wrong');
    await identity.users.enable(me, nurse.userId, disabled.version);
    await expect(fixture.login(nurse)).resolves.toBeDefined();
    expect(await codeOf(identity.sessions.authenticate(login.accessToken))).toBe('session.ended');
  });

  it('are changed only from the version that was read', async () => {
    const owner = await fixture.newOwner();
    const nurse = await fixture.join(owner, ['nurse']);
    const me = await asOwner(owner);
    const { version } = await identity.users.read(me, nurse.userId);
    const attempts = await Promise.all([
      codeOf(identity.users.changeRoles(me, nurse.userId, ['billing'], version)),
      codeOf(identity.users.changeRoles(me, nurse.userId, ['provider'], version)),
      codeOf(identity.users.disable(me, nurse.userId, version)),
    ]);
    expect(attempts.toSorted()).toEqual(['none', 'user.changed', 'user.changed']);
  });

  it('keep one active owner, also when two owners disable each other at once', async () => {
    const owner = await fixture.newOwner();
    const partner = await fixture.join(owner, ['owner']);
    const [one, two] = [await asOwner(owner), await fixture.as(await fixture.login(partner))];
    const version = async (id: UserId) => (await identity.users.read(one, id)).version;
    const [oneVersion, twoVersion] = [await version(owner.userId), await version(partner.userId)];
    const outcomes = await Promise.all([
      codeOf(identity.users.disable(one, partner.userId, twoVersion)),
      codeOf(identity.users.disable(two, owner.userId, oneVersion)),
    ]);
    expect(outcomes.toSorted()).toEqual(['none', 'user.last_owner']);
  });

  it('do not change themselves, and ownership is for owners', async () => {
    const owner = await fixture.newOwner();
    const admin = await fixture.join(owner, ['admin']);
    const them = await fixture.as(await fixture.login(admin));
    const { version } = await identity.users.read(them, owner.userId);
    expect(await codeOf(identity.users.changeRoles(them, admin.userId, ['owner'], 2))).toBe('user.self_change');
    expect(await codeOf(identity.users.disable(them, owner.userId, version))).toBe('user.owner_only');
    const invite = identity.invitations.invite(them, { email: newAddress(), roles: ['owner'] });
    expect(await codeOf(invite)).toBe('user.owner_only');
  });

  it('leave an audit event for every read and change', async () => {
    const owner = await fixture.newOwner();
    const nurse = await fixture.join(owner, ['nurse']);
    const me = await asOwner(owner);
    const { version } = await identity.users.read(me, nurse.userId);
    await identity.users.list(me, { limit: 10, after: null });
    await identity.users.changeRoles(me, nurse.userId, ['billing'], version);
    await identity.users.disable(me, nurse.userId, version + 1);
    await identity.users.enable(me, nurse.userId, version + 2);
    const actions = (await fixture.auditOf(owner.tenant)).map((event) => event.action);
    expect(actions).toEqual([
      'user.create',
      'session.login',
      'user.invite',
      'user.join',
      'session.login',
      'user.read',
      'user.read',
      'role.change',
      'user.disable',
      'user.enable',
    ]);
  });
});

describe('an invitation', () => {
  it('is mailed by a job that carries ids only, and makes a user who can log in', async () => {
    const owner = await fixture.newOwner();
    const email = newAddress();
    const { userId, invitationId } = await inviteAs(owner, email);
    const [job] = await fixture.databases.asAdmin<{ name: string; payload: unknown }>(
      'directory',
      'select name, payload from outbox where tenant_id = $1',
      [owner.tenant.id],
    );
    expect(job).toEqual({ name: 'identity.send_invitation', payload: { invitationId } });
    const letter = await identity.mail(fixture.system(owner.tenant), 'invitation', invitationId);
    expect(letter?.to).toBe(email);
    expect(letter?.text).toContain('https://app.praxis.example/join#token=pit_');
    expect(await codeOf(fixture.login({ ...owner, email }, password))).toBe('credentials.wrong');
    const token = await fixture.mailedToken(owner.tenant, 'invitation', invitationId);
    const joined = await identity.invitations.accept(fixture.anonymous(), { token, password, displayName: 'Ravi' });
    expect(joined).toEqual({ userId, tenant: owner.slug });
    const login = await fixture.login({ ...owner, email }, password);
    expect(login.user).toMatchObject({ id: userId, displayName: 'Ravi', roles: ['nurse'] });
    expect(await identity.mail(fixture.system(owner.tenant), 'invitation', invitationId)).toBeNull();
  });

  it('works once, and not after seven days, and not when it was made up', async () => {
    const owner = await fixture.newOwner();
    const first = await inviteAs(owner, newAddress());
    const token = await fixture.mailedToken(owner.tenant, 'invitation', first.invitationId);
    const accept = (text: string) =>
      identity.invitations.accept(fixture.anonymous(), { token: text, password, displayName: 'Ravi' });
    const race = await Promise.all(Array.from({ length: 5 }, () => codeOf(accept(token))));
    expect(race.toSorted()).toEqual([
      'invitation.expired',
      'invitation.expired',
      'invitation.expired',
      'invitation.expired',
      'none',
    ]);
    const late = await inviteAs(owner, newAddress());
    const lateToken = await fixture.mailedToken(owner.tenant, 'invitation', late.invitationId);
    fixture.clock.advance(7 * day);
    expect(await codeOf(accept(lateToken))).toBe('invitation.expired');
    expect(await codeOf(accept(`${token.slice(0, -2)}AA`))).toBe('invitation.invalid');
  });

  it('sent again replaces the link and the roles', async () => {
    const owner = await fixture.newOwner();
    const email = newAddress();
    const first = await inviteAs(owner, email, ['nurse']);
    const old = await fixture.mailedToken(owner.tenant, 'invitation', first.invitationId);
    const second = await inviteAs(owner, email, ['billing']);
    expect(second.userId).toBe(first.userId);
    const accept = (token: string) =>
      identity.invitations.accept(fixture.anonymous(), { token, password, displayName: 'Ravi' });
    expect(await codeOf(accept(old))).toBe('invitation.expired');
    await accept(await fixture.mailedToken(owner.tenant, 'invitation', second.invitationId));
    expect((await fixture.login({ ...owner, email }, password)).user.roles).toEqual(['billing']);
    expect(await codeOf(inviteAs(owner, email))).toBe('user.exists');
  });

  it('to one address from ten people at once makes one user', async () => {
    const owner = await fixture.newOwner();
    const email = newAddress();
    const me = await asOwner(owner);
    const invites = Array.from({ length: 10 }, () =>
      codeOf(identity.invitations.invite(me, { email, roles: ['nurse'] })),
    );
    const codes = await Promise.all(invites);
    expect(codes.filter((code) => code !== 'none' && code !== 'user.exists')).toEqual([]);
    expect(codes).toContain('none');
    const { items } = await identity.users.list(me, { limit: 100, after: null });
    expect(items.filter((user) => user.email === email)).toHaveLength(1);
  });

  it('repeated with its Idempotency-Key is one invitation', async () => {
    const owner = await fixture.newOwner();
    const me = await asOwner(owner);
    const invite = () =>
      identity.invitations.invite(
        {
          ...me,
          idempotency: {
            key: 'k-1',
            route: 'POST /users/invitations',
            fingerprint: Buffer.alloc(32, 1),
            outcome: 'unused',
          },
        },
        { email: 'once@harbor.example', roles: ['nurse'] },
      );
    expect(await invite()).toEqual(await invite());
  });

  it('asks for a password that is long enough and not easy to guess for this person', async () => {
    const owner = await fixture.newOwner();
    const { invitationId } = await inviteAs(owner, 'ravi.anand@harbor.example');
    const token = await fixture.mailedToken(owner.tenant, 'invitation', invitationId);
    const accept = (chosen: string) =>
      identity.invitations.accept(fixture.anonymous(), { token, password: chosen, displayName: 'Ravi Anand' });
    expect(await codeOf(accept('short'))).toBe('password.too_short');
    expect(await codeOf(accept('anand-ravi-1999'))).toBe('password.guessable');
    expect(await codeOf(accept(`${owner.slug}-2026`))).toBe('password.guessable');
    expect(await codeOf(accept(password))).toBe('none');
  });
});

describe('a password reset', () => {
  const ask = (owner: Owner, email = owner.email) =>
    identity.passwordResets.request(fixture.anonymous(), { tenant: owner.slug, email });
  const resets = (owner: Owner) =>
    fixture.databases.asAdmin<{ id: Parameters<typeof identity.mail>[2] }>(
      'directory',
      'select id from password_reset where tenant_id = $1 order by id',
      [owner.tenant.id],
    );
  const letters = async (owner: Owner) => {
    const rows = await resets(owner);
    return Promise.all(rows.map(({ id }) => identity.mail(fixture.system(owner.tenant), 'password_reset', id)));
  };
  const confirm = (token: string, newPassword = password) =>
    identity.passwordResets.confirm(fixture.anonymous(), { token, newPassword });

  it('by the mailed link sets a new password, ends every session and lifts a lock-out', async () => {
    const owner = await fixture.newOwner();
    const login = await fixture.login(owner);
    for (let n = 0; n < 11; n += 1) await codeOf(fixture.login(owner, `wrong password ${n}`));
    expect(await codeOf(fixture.login(owner))).toBe('login.locked');
    await ask(owner);
    const [reset] = await resets(owner);
    const token = await fixture.mailedToken(owner.tenant, 'password_reset', reset!.id);
    await confirm(token);
    expect(await codeOf(identity.sessions.authenticate(login.accessToken))).toBe('session.ended');
    expect(await codeOf(fixture.login(owner))).toBe('credentials.wrong');
    await expect(fixture.login(owner, password)).resolves.toBeDefined();
    expect(await codeOf(confirm(token, 'yet another good phrase'))).toBe('password_reset.expired');
  });

  it('leaves the same rows for an address that nobody has, and mails nobody', async () => {
    const owner = await fixture.newOwner();
    await ask(owner);
    await ask(owner, 'nobody@harbor.example');
    const counts = await fixture.databases.asAdmin<{ resets: string; jobs: string; events: string }>(
      'directory',
      `select (select count(*) from password_reset where tenant_id = $1) as resets,
              (select count(*) from outbox where tenant_id = $1) as jobs,
              (select count(*) from audit_event where tenant_id = $1 and action = 'password.request') as events`,
      [owner.tenant.id],
    );
    expect(counts).toEqual([{ resets: '2', jobs: '2', events: '2' }]);
    expect((await letters(owner)).map((letter) => letter?.to ?? null)).toEqual([owner.email, null]);
    await expect(
      identity.passwordResets.request(fixture.anonymous(), { tenant: 'no-such-clinic', email: owner.email }),
    ).resolves.toBeUndefined();
  });

  it('is mailed three times in a quarter of an hour at most', async () => {
    const owner = await fixture.newOwner();
    for (let n = 0; n < 6; n += 1) await ask(owner);
    expect((await letters(owner)).filter((letter) => letter !== null)).toHaveLength(resetMails.most);
    fixture.clock.advance(resetMails.perMs);
    await ask(owner);
    const mailed = (await letters(owner)).filter((letter) => letter !== null);
    expect(mailed).toHaveLength(resetMails.most + 1);
  });

  it('works for half an hour, and an invited or disabled user gets none', async () => {
    const owner = await fixture.newOwner();
    await ask(owner);
    const [reset] = await resets(owner);
    const token = await fixture.mailedToken(owner.tenant, 'password_reset', reset!.id);
    fixture.clock.advance(30 * minute);
    expect(await codeOf(confirm(token))).toBe('password_reset.expired');
    const email = newAddress();
    await inviteAs(owner, email);
    await ask(owner, email);
    expect((await letters(owner)).at(-1)).toBeNull();
  });
});

describe('rows that are long over', () => {
  it('are removed, and no others', async () => {
    const owner = await fixture.newOwner();
    await codeOf(fixture.login({ ...owner, email: 'nobody@harbor.example' }));
    await fixture.login(owner);
    await inviteAs(owner, newAddress());
    await identity.passwordResets.request(fixture.anonymous(), { tenant: owner.slug, email: owner.email });
    const left = async () => {
      const [row] = await fixture.databases.asAdmin<Record<string, string>>(
        'directory',
        `select (select count(*) from user_session where tenant_id = $1) as sessions,
                (select count(*) from invitation where tenant_id = $1) as invitations,
                (select count(*) from password_reset where tenant_id = $1) as resets,
                (select count(*) from login_attempt where tenant_id = $1) as attempts`,
        [owner.tenant.id],
      );
      return row;
    };
    expect(await left()).toEqual({ sessions: '2', invitations: '1', resets: '1', attempts: '1' });
    await identity.removeExpired(fixture.databases.newContext());
    expect(await left()).toEqual({ sessions: '2', invitations: '1', resets: '1', attempts: '1' });
    fixture.clock.advance(2 * day);
    await identity.removeExpired(fixture.databases.newContext());
    expect(await left()).toEqual({ sessions: '2', invitations: '1', resets: '0', attempts: '0' });
    fixture.clock.advance(40 * day);
    expect(await identity.removeExpired(fixture.databases.newContext())).toBeGreaterThanOrEqual(3);
    expect(await left()).toEqual({ sessions: '0', invitations: '0', resets: '0', attempts: '0' });
    await expect(fixture.login(owner, ownerPassword)).resolves.toBeDefined();
  });
});
