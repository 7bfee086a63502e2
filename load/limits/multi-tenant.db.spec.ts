import { Users } from '#infra/identity';
import { Api, password } from '../../apps/api/test/house/world.js';
import { type Ask, atWork, type Company, crowdOf, verdictOn } from './multi-tenant.js';

const seconds = 5;
const makingAtOnce = 4;
const limits = { FREE: 20, BASIC: 40, PROFESSIONAL: 80, ENTERPRISE: 200 };
const crowd = crowdOf({
  ofEachPlan: 50,
  limits,
  above: { FREE: 10, BASIC: 5, PROFESSIONAL: 3, ENTERPRISE: 1 },
  full: { FREE: 3, BASIC: 2, PROFESSIONAL: 1, ENTERPRISE: 1 },
  calmMax: 16,
});
const environment = {
  RATE_LIMIT_FREE: String(limits.FREE),
  RATE_LIMIT_BASIC: String(limits.BASIC),
  RATE_LIMIT_PROFESSIONAL: String(limits.PROFESSIONAL),
  RATE_LIMIT_ENTERPRISE: String(limits.ENTERPRISE),
  // A busy machine answers late, and then a process counts by itself: here Redis counts.
  RATE_LIMIT_DEADLINE: '250',
};

let api: Api;
const tokens = new Map<string, string>();
beforeAll(async () => {
  api = await Api.start(environment);
  const left = [...crowd];
  const line = async () => {
    for (let company = left.pop(); company !== undefined; company = left.pop()) await found(company);
  };
  await Promise.all(Array.from({ length: makingAtOnce }, line));
}, 120_000);
afterAll(() => api?.stop());

async function found(company: Company): Promise<void> {
  const { slug, plan, ip: remoteAddress } = company;
  const { id } = await api.db.sharding.tenants.create({ slug, name: slug, plan });
  const email = `owner@${slug}.example`;
  const ctx = { ...api.db.newContext(), tenant: { id, plan } };
  await api.app.get(Users).createOwner(ctx, { email, displayName: 'Owner', password });
  const payload = { tenant: slug, email, password };
  const answer = await api.app.inject({ method: 'POST', url: '/api/v1/auth/login', remoteAddress, payload });
  tokens.set(slug, answer.json().accessToken);
}

const ask: Ask = async ({ slug, ip: remoteAddress }, method, url, payload) => {
  const headers = {
    authorization: `Bearer ${tokens.get(slug)}`,
    ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const sent = { method, url, remoteAddress, headers, ...(payload === undefined ? {} : { payload }) };
  const { statusCode: status, body } = await api.app.inject(sent);
  return { status, headers: {}, body };
};

describe('200 companies of four plans that work at the same time', () => {
  it('[E-097] [E-111] see no row of another, and only who asks for more than its plan is refused: nobody below 80 % of it, nor up to all of it', async () => {
    expect(crowd).toHaveLength(200);
    for (const { appetite, calls, limit } of crowd) if (appetite === 'calm') expect(calls).toBeLessThan(0.8 * limit);
    const heard = await atWork(crowd, ask, seconds);
    const { passed, figures } = verdictOn(heard, () => 0);
    expect(figures).toMatchObject({ foreignRows: 0, refusedCalm: 0, refusedFull: 0, otherAnswers: 0, sightless: 0 });
    expect(figures).toMatchObject({ above: 19, aboveHeldToTheirPlan: 19 });
    for (const { company, refused } of heard) expect(refused > 0).toBe(company.appetite === 'above');
    expect(passed).toBe(true);
  }, 120_000);
});
