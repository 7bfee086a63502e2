import { Sharding } from '#infra/sharding';
import { waitUntil } from '#infra/testing';
import { type Answer, Api, join, makeSide, newMember, newService, type Side } from './house/world.js';

const setting = '/api/v1/settings/catalogue';
const shownFor = 'public, max-age=3600, stale-while-revalidate=60';
const eventuallyMs = 10_000;

let api: Api;
let mine: Side;
let theirs: Side;

beforeAll(async () => {
  api = await Api.start({ RATE_LIMIT_ANONYMOUS: '10000', RATE_LIMIT_GENERAL: '10000', RATE_LIMIT_EDGE: '10000' });
  mine = await makeSide(api, 'shard-1');
  theirs = await makeSide(api, 'shard-1');
  await publish(mine, true);
}, 90_000);
afterAll(() => api?.stop());

async function publish(side: Side, open: boolean, token = side.owner.token): Promise<Answer> {
  const { version } = (await api.must({ method: 'GET', path: setting, token: side.owner.token })).json;
  return api.call({ method: 'PUT', path: setting, token, headers: { 'if-match': `"v${version}"` }, body: { open } });
}
/** As somebody without a login. */
const look = (part: 'services' | 'locations', slug: string, headers: Record<string, string> = {}) =>
  api.call({ method: 'GET', path: `/api/v1/catalogues/{slug}/${part}`, params: { slug }, headers });
const header = ({ headers }: Answer, name: string) => String(headers[name] ?? '');
const change = async (side: Side, noun: 'service' | 'location', id: string, body: object) => {
  const [path, params, token] = [`/api/v1/${noun}s/{id}`, { id }, side.owner.token];
  const { version } = (await api.must({ method: 'GET', path, params, token })).json;
  return api.must({ method: 'PATCH', path, params, token, headers: { 'if-match': `"v${version}"` }, body });
};
const create = async (side: Side, noun: 'service' | 'location', body: object): Promise<string> =>
  (await api.must({ method: 'POST', path: `/api/v1/${noun}s`, token: side.owner.token, body })).json.id;

describe('an open catalogue', () => {
  it('[C-090] [C-092] [C-093] is kept for an hour by everybody, and a minute longer while it is asked for anew', async () => {
    for (const part of ['services', 'locations'] as const) {
      const answer = await look(part, mine.slug);
      expect([answer.status, header(answer, 'cache-control')]).toEqual([200, shownFor]);
      expect(header(answer, 'vary').toLowerCase()).not.toContain('authorization');
      expect(header(answer, 'access-control-allow-origin')).toBe('*');
      expect(header(answer, 'ratelimit-policy')).toContain('"anonymous"');
      const again = await look(part, mine.slug, { 'if-none-match': header(answer, 'etag') });
      expect([again.status, again.text, header(again, 'cache-control')]).toEqual([304, '', shownFor]);
    }
  });

  it('shows names, lengths and zones of what is offered now, to whoever asks, and nothing else', async () => {
    const services = await look('services', mine.slug);
    expect(services.json).toEqual({ data: [{ name: 'Visit', durationMin: 30 }] });
    expect((await look('locations', mine.slug)).json).toEqual({ data: [{ name: 'Main', tz: 'UTC' }] });
    const login = await api.call({
      method: 'GET',
      path: `/api/v1/catalogues/${mine.slug}/services`,
      token: theirs.owner.token,
    });
    expect([login.text, header(login, 'etag')]).toEqual([services.text, header(services, 'etag')]);
  });

  it('follows what changes at once, and leaves out what is no longer offered', async () => {
    const names = async (part: 'services' | 'locations') =>
      (await look(part, mine.slug)).json.data.map(({ name }: { readonly name: string }) => name);
    const before = header(await look('services', mine.slug), 'etag');
    const added = await create(mine, 'service', newService('Peel'));
    expect(await names('services')).toEqual(['Visit', 'Peel']);
    await change(mine, 'service', added, { name: 'Deep peel', durationMin: 45 });
    expect((await look('services', mine.slug)).json.data[1]).toEqual({ name: 'Deep peel', durationMin: 45 });
    await change(mine, 'service', added, { active: false });
    expect(await names('services')).toEqual(['Visit']);
    expect(header(await look('services', mine.slug), 'etag')).toBe(before);
    const annex = await create(mine, 'location', { name: 'Annex', tz: 'America/Vancouver' });
    expect(await names('locations')).toEqual(['Main', 'Annex']);
    await change(mine, 'location', annex, { active: false });
    expect(await names('locations')).toEqual(['Main']);
  });

  it('ends when it is closed, and while its tenant is suspended', async () => {
    const statuses = async () => [
      (await look('services', mine.slug)).status,
      (await look('locations', mine.slug)).status,
    ];
    expect(await statuses()).toEqual([200, 200]);
    expect((await publish(mine, false)).json.open).toBe(false);
    expect(await statuses()).toEqual([404, 404]);
    expect((await publish(mine, true)).json.open).toBe(true);
    expect(await statuses()).toEqual([200, 200]);
    const { tenants } = api.app.get(Sharding);
    await tenants.suspend(mine.ctx.tenant.id);
    const become = (wanted: number) =>
      waitUntil(async () => (await statuses()).every((status) => status === wanted), eventuallyMs);
    expect(await become(404)).toBe(true);
    await tenants.resume(mine.ctx.tenant.id);
    expect(await become(200)).toBe(true);
  });
});

describe('a catalogue that nobody has opened', () => {
  it('is closed, and to everybody the same as one that does not exist', async () => {
    const { json } = await api.must({ method: 'GET', path: setting, token: theirs.owner.token });
    expect(json).toEqual({ open: false, version: 1 });
    const visible = ({ status, text, headers }: Answer) => ({
      status,
      text: text.replace(/"requestId":"[^"]+"/, ''),
      names: Object.keys(headers).sort(),
      kept: headers['cache-control'],
    });
    for (const part of ['services', 'locations'] as const) {
      const closed = visible(await look(part, theirs.slug));
      expect([closed.status, closed.kept]).toEqual([404, 'no-store']);
      expect(closed.text).toContain('catalogue.not_found');
      expect(closed).toEqual(visible(await look(part, 'no-such-clinic')));
    }
    expect((await look('services', 'Not_A_Slug')).status).toBe(422);
  });
});

describe('opening a catalogue', () => {
  it('is for owners and admins, by version, and on record', async () => {
    const statusAs = async (role: 'admin' | 'front_desk' | 'billing') =>
      (await publish(mine, true, (await join(api, mine.ctx, mine.slug, [role])).token)).status;
    expect([await statusAs('admin'), await statusAs('front_desk'), await statusAs('billing')]).toEqual([200, 403, 403]);
    const put = (headers: Record<string, string>, body: object = { open: true }) =>
      api.call({ method: 'PUT', path: setting, token: mine.owner.token, headers, body });
    expect((await put({})).status).toBe(428);
    expect((await put({ 'if-match': '"v1"' })).status).toBe(412);
    expect((await put({ 'if-match': '"v1"' }, { open: 'yes' })).status).toBe(422);
    const events = await api.db.asAdmin<{ fields: string[]; actor: string }>(
      'shard-1',
      `select fields, actor_type as actor from audit_event where tenant_id = $1 and action = 'catalogue.publish'
          and outcome = 'success'`,
      [mine.ctx.tenant.id],
    );
    expect(events.length).toBeGreaterThan(1);
    expect(new Set(events.map(({ fields, actor }) => `${actor} ${fields.join()}`))).toEqual(new Set(['user open']));
  });

  it('by two at once is done by one of them, the first time too', async () => {
    const side = await makeSide(api, 'shard-2');
    const put = () =>
      api.call({
        method: 'PUT',
        path: setting,
        token: side.owner.token,
        headers: { 'if-match': '"v1"' },
        body: { open: true },
      });
    const statuses = (await Promise.all([put(), put(), put(), put()])).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 412, 412, 412]);
    const { json } = await api.must({ method: 'GET', path: setting, token: side.owner.token });
    expect(json).toEqual({ open: true, version: 2 });
  });
});

describe('what browsers and a CDN may keep', () => {
  it('[A-007] [D-097] files with a hash for a year, a catalogue for an hour, figures for five minutes by their reader, the rest not at all', async () => {
    const get = (path: string, more: { token?: string; query?: Record<string, string> } = {}) =>
      api.call({ method: 'GET', path, ...more });
    const { token } = mine.owner;
    const files = Object.values<string>((await get('/static/manifest.json')).json);
    const [hashed, fixed] = [true, false].map((wanted) =>
      files.filter((file) => /\.[0-9a-f]{16}\./.test(file) === wanted),
    );
    const range = { from: '2027-03-01', to: '2027-03-31' };
    const login = { tenant: mine.slug, email: mine.owner.email, password: 'not-the-password' };
    const figures = await get('/api/v1/analytics/appointments', { token, query: range });
    const table: readonly (readonly [kept: string, answers: readonly Answer[]])[] = [
      ['public, max-age=31536000, immutable', await Promise.all((hashed ?? []).map((file) => get(file)))],
      ['no-cache', await Promise.all([...(fixed ?? []), '/docs', '/openapi.json'].map((file) => get(file)))],
      [shownFor, [await look('services', mine.slug), await look('locations', mine.slug)]],
      ['private, max-age=300', [figures]],
      ['private, no-cache', [await get('/api/v1/services', { token }), await get('/api/v1/locations', { token })]],
      [
        'no-store',
        [
          await api.call({ method: 'POST', path: '/api/v1/auth/login', body: login }),
          await get(`/api/v1/patients/${mine.patientId}`, { token }),
          await get(`/api/v1/patients/${mine.patientId}/notes`, { token }),
          await get('/api/v1/members', { token }),
          await api.call({ method: 'POST', path: '/api/v1/members', token, body: newMember() }),
          await look('services', 'no-such-clinic'),
          await get('/nowhere'),
        ],
      ],
    ];
    for (const [kept, answers] of table) {
      expect([kept, answers.length > 0]).toEqual([kept, true]);
      expect(answers.map((answer) => header(answer, 'cache-control'))).toEqual(answers.map(() => kept));
    }
    expect(header(figures, 'etag')).not.toBe('');
    expect(header(figures, 'vary')).toContain('Authorization');
  });
});
