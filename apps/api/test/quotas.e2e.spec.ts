import { Users } from '#infra/identity';
import { newId, systemClock, type TenantContext, toDate } from '#infra/kernel';
import { planLimits, QuotaOverrides, type QuotaResource } from '#infra/quotas';
import { Sharding } from '#infra/sharding';
import {
  type Answer,
  Api,
  booking,
  login,
  newMember,
  newPatient,
  newService,
  openAlways,
  password,
} from './house/world.js';

const hourMs = 3_600_000;
const { FREE } = planLimits;

/** A company on the smallest plan, with one provider who is there around the clock. */
interface Company {
  readonly ctx: TenantContext;
  readonly slug: string;
  readonly token: string;
  readonly locationId: string;
  readonly serviceId: string;
  readonly resourceIds: Readonly<Record<'provider' | 'room' | 'device', string>>;
}

let api: Api;
beforeAll(async () => {
  // Three hundred at once wait for twenty connections, on a busy machine longer than 2 s.
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false', DB_ACQUIRE_TIMEOUT: '30000' });
}, 60_000);
afterAll(() => api?.stop());

async function newCompany(): Promise<Company> {
  const ctx = { ...(await api.db.newTenant({ plan: 'FREE' })), deadline: systemClock.now() + hourMs };
  const { slug } = await api.db.sharding.tenants.byId(ctx.tenant.id);
  const email = `owner@${slug}.example`;
  await api.app.get(Users).createOwner(ctx, { email, displayName: 'Owner', password });
  const { token } = await login(api, slug, email);
  const post = async (path: string, body: unknown) => (await api.must({ method: 'POST', path, body, token })).json;
  const { id: locationId } = await post('/api/v1/locations', { name: 'Main', tz: 'UTC' });
  const segments = [{ kind: 'provider', offsetMin: 0, durationMin: 30 }];
  const { id: serviceId } = await post('/api/v1/services', { ...newService('Visit'), segments });
  const { id: provider } = await post('/api/v1/resources', { locationId, kind: 'provider', name: 'Ada' });
  const params = { resourceId: provider, serviceId };
  await api.must({ method: 'PUT', path: '/api/v1/resources/{resourceId}/services/{serviceId}', params, token });
  await api.must({
    method: 'PUT',
    path: '/api/v1/resources/{resourceId}/schedule',
    params: { resourceId: provider },
    headers: { 'if-match': '"v1"' },
    body: openAlways,
    token,
  });
  return { ctx, slug, token, locationId, serviceId, resourceIds: { provider, room: '', device: '' } };
}

const post = ({ token }: Company, path: string, body: unknown): Promise<Answer> =>
  api.call({ method: 'POST', path, body, token, headers: { 'idempotency-key': newId() } });
const many = (count: number, make: (n: number) => Promise<Answer>): Promise<readonly Answer[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => make(n)));
const statusesOf = (answers: readonly Answer[]) => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};
async function rows({ ctx }: Company, table: string): Promise<number> {
  const entry = await api.db.sharding.tenants.byId(ctx.tenant.id);
  const database = table === 'user_account' ? 'directory' : entry.shardId;
  const sql = `select count(*)::int as n from ${table} where tenant_id = $1`;
  return (await api.db.asAdmin<{ n: number }>(database, sql, [ctx.tenant.id]))[0]!.n;
}
const allow = ({ ctx, slug }: Company, resource: QuotaResource, limit: number) =>
  api.app.get(QuotaOverrides).set(ctx, slug, resource, limit);

const firstStart = Date.parse('2027-03-02T00:00:00Z');
const startOf = (n: number): string =>
  toDate(firstStart + n * hourMs)
    .toISOString()
    .replace('.000Z', 'Z');
const book = (company: Company, n: number) => post(company, '/api/v1/appointments', booking(company, startOf(n)));
const invite = (company: Company) =>
  post(company, '/api/v1/users/invitations', { email: `new-${newId()}@x.example`, roles: ['nurse'] });

describe('what a plan allows', () => {
  it('[E-038] is ten users, of fifty who are invited at once', async () => {
    const company = await newCompany();
    expect(FREE.users).toBe(10);
    expect(statusesOf(await many(50, () => invite(company)))).toEqual({ 201: 9, 403: 41 });
    expect(await rows(company, 'user_account')).toBe(10);
  });

  it('[E-039] [E-047] [E-095] is a hundred patients, of three hundred who are registered at once', async () => {
    const company = await newCompany();
    expect(FREE.patients).toBe(100);
    const answers = await many(300, () => post(company, '/api/v1/patients?force=true', newPatient()));
    expect(statusesOf(answers)).toEqual({ 201: 100, 403: 200 });
    expect(await rows(company, 'patient')).toBe(100);
  }, 60_000);

  it('[E-040] is a hundred orders, of three hundred visits that are booked at once', async () => {
    const company = await newCompany();
    expect(FREE.orders).toBe(100);
    expect(statusesOf(await many(300, (n) => book(company, n)))).toEqual({ 201: 100, 403: 200 });
    expect(await rows(company, 'appointment')).toBe(100);
    expect(await rows(company, 'time_claim')).toBe(100);
  }, 60_000);

  it('[E-041] is twenty products, of sixty that are offered at once', async () => {
    const company = await newCompany();
    expect(FREE.products).toBe(20);
    const answers = await many(60, (n) => post(company, '/api/v1/services', newService(`Service ${n}`)));
    expect(statusesOf(answers)).toEqual({ 201: 19, 403: 41 });
    expect(await rows(company, 'service')).toBe(20);
  });

  it('[E-042] is twenty exams, of sixty notes that are written at once', async () => {
    const company = await newCompany();
    expect(FREE.exams).toBe(20);
    const { json: patient } = await post(company, '/api/v1/patients', newPatient());
    const path = `/api/v1/patients/${patient.id}/notes`;
    const answers = await many(60, (n) => post(company, path, { text: `Seen, ${n}.` }));
    expect(statusesOf(answers)).toEqual({ 201: 20, 403: 40 });
    expect(await rows(company, 'clinical_note')).toBe(20);
  });

  it('is so many members, and whoever resigns makes room', async () => {
    const company = await newCompany();
    await allow(company, 'members', 2);
    const enrol = () => post(company, '/api/v1/members', newMember());
    const answers = await many(6, enrol);
    expect(statusesOf(answers)).toEqual({ 201: 2, 403: 4 });
    const [enrolled] = answers.filter(({ status }) => status === 201);
    const { token } = company;
    const path = '/api/v1/members/{memberId}/resign';
    await api.must({
      method: 'POST',
      path,
      params: { memberId: enrolled!.json.id },
      token,
      headers: { 'if-match': '"v1"' },
    });
    expect(statusesOf(await many(3, enrol))).toEqual({ 201: 1, 403: 2 });
  });

  it('is so many locations that are open: one that is closed makes room, and cannot come back without it', async () => {
    const company = await newCompany();
    await allow(company, 'locations', 1);
    const add = () => post(company, '/api/v1/locations', { name: 'Second', tz: 'UTC' });
    expect((await add()).status).toBe(403);
    const { token, locationId } = company;
    const patch = (version: number, active: boolean) =>
      api.call({
        method: 'PATCH',
        path: '/api/v1/locations/{locationId}',
        params: { locationId },
        headers: { 'if-match': `"v${version}"` },
        body: { active },
        token,
      });
    expect((await patch(1, false)).status).toBe(200);
    expect((await add()).status).toBe(201);
    expect((await patch(2, true)).json).toMatchObject({ status: 403, code: 'quota.exceeded' });
  });

  it('is given back by a visit that is cancelled, and by a user who is shut out', async () => {
    const company = await newCompany();
    await allow(company, 'orders', 1);
    await allow(company, 'users', 2);
    const { token } = company;
    const visit = await book(company, 0);
    expect((await book(company, 1)).status).toBe(403);
    const cancel = { params: { appointmentId: visit.json.id }, headers: { 'if-match': '"v1"' }, body: {}, token };
    await api.must({ method: 'POST', path: '/api/v1/appointments/{appointmentId}/cancel', ...cancel });
    expect((await book(company, 1)).status).toBe(201);
    const invited = await invite(company);
    expect((await invite(company)).status).toBe(403);
    const shut = { params: { userId: invited.json.userId }, headers: { 'if-match': '"v1"' }, token };
    await api.must({ method: 'POST', path: '/api/v1/users/{userId}/disable', ...shut });
    expect((await invite(company)).status).toBe(201);
    const enabled = { ...shut, headers: { 'if-match': '"v2"' } };
    expect((await api.call({ method: 'POST', path: '/api/v1/users/{userId}/enable', ...enabled })).status).toBe(403);
  });

  it('is used once by a request that is sent twice under one Idempotency-Key', async () => {
    const company = await newCompany();
    await allow(company, 'patients', 1);
    const call = {
      method: 'POST',
      path: '/api/v1/patients',
      body: newPatient(),
      token: company.token,
      headers: { 'idempotency-key': newId() },
    };
    const [first, again] = [await api.call(call), await api.call(call)];
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.json.id).toBe(first.json.id);
  });
});

describe('a refusal', () => {
  it('[E-043] [E-045] is 403 on every route that makes more, and names the plan that allows it', async () => {
    const company = await newCompany();
    const limits = { patients: 0, orders: 0, products: 1, users: 1, members: 0, locations: 1 } as const;
    for (const [resource, limit] of Object.entries(limits)) await allow(company, resource as QuotaResource, limit);
    const refusals = {
      patients: await post(company, '/api/v1/patients', newPatient()),
      orders: await book(company, 0),
      products: await post(company, '/api/v1/services', newService('More')),
      users: await invite(company),
      members: await post(company, '/api/v1/members', newMember()),
      locations: await post(company, '/api/v1/locations', { name: 'More', tz: 'UTC' }),
    };
    for (const [resource, { status, headers, json }] of Object.entries(refusals)) {
      expect(status).toBe(403);
      expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
      const limit = limits[resource as keyof typeof limits];
      const upgrade = { plan: 'BASIC', limit: planLimits.BASIC[resource as QuotaResource], url: '/api/v1/plans' };
      expect(json).toMatchObject({
        type: '/problems/quota.exceeded',
        code: 'quota.exceeded',
        resource,
        limit,
        upgrade,
      });
    }
    const { json } = await api.must({ method: 'GET', path: refusals.patients.json.upgrade.url, token: company.token });
    const basic = json.data.find(({ plan }: { plan: string }) => plan === 'BASIC');
    expect(basic.limits).toContainEqual({ resource: 'patients', limit: planLimits.BASIC.patients });
  });
});

describe('how much of a plan is used', () => {
  it('[E-044] is told to the company itself by its id: used, limit, percent and when it begins anew', async () => {
    const company = await newCompany();
    const { ctx, token } = company;
    await many(16, (n) => post(company, '/api/v1/services', newService(`Service ${n}`)));
    await book(company, 0);
    const params = { companyId: ctx.tenant.id };
    const { json } = await api.must({ method: 'GET', path: '/api/admin/quotas/{companyId}', params, token });
    expect(json.plan).toBe('FREE');
    const quotas: { resource: string }[] = json.quotas;
    const of = (resource: string) => quotas.find((quota) => quota.resource === resource);
    expect(quotas.map(({ resource }) => resource)).toEqual(Object.keys(FREE));
    expect(of('products')).toEqual({
      resource: 'products',
      used: 17,
      limit: 20,
      percent: 85,
      warning: 80,
      resetAt: null,
    });
    expect(of('orders')).toMatchObject({ used: 1, limit: 100, percent: 1, warning: null });
    expect((of('orders') as unknown as { resetAt: string }).resetAt).toMatch(/^\d{4}-\d\d-01T00:00:00.000Z$/);
    for (const path of ['/api/v1/quotas', '/api/v1/admin/quotas/{companyId}'])
      expect((await api.must({ method: 'GET', path, params, token })).json).toEqual(json);
    const stranger = await newCompany();
    const foreign = await api.call({
      method: 'GET',
      path: '/api/admin/quotas/{companyId}',
      params,
      token: stranger.token,
    });
    expect(foreign).toMatchObject({ status: 404, json: { code: 'company.unknown' } });
  });

  it('follows a plan that is changed, which keeps what there is', async () => {
    const company = await newCompany();
    await many(5, () => post(company, '/api/v1/patients?force=true', newPatient()));
    const { tenants } = api.app.get(Sharding);
    await tenants.changePlan(company.ctx.tenant.id, 'ENTERPRISE');
    expect((await post(company, '/api/v1/patients?force=true', newPatient())).status).toBe(201);
    await tenants.changePlan(company.ctx.tenant.id, 'FREE');
    await allow(company, 'patients', 3);
    expect((await post(company, '/api/v1/patients?force=true', newPatient())).status).toBe(403);
    const { json } = await api.must({ method: 'GET', path: '/api/v1/quotas', token: company.token });
    const patients = { resource: 'patients', used: 6, limit: 3, percent: 200, warning: 100, resetAt: null };
    expect(json.quotas).toContainEqual(patients);
    expect(await rows(company, 'patient')).toBe(6);
  });
});
