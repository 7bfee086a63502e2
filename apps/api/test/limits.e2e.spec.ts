import { Users } from '#infra/identity';
import { newId, type Plan } from '#infra/kernel';
import { Limits } from '#infra/throttling';
import { Api, join, login, makeSide, password, type Side } from './house/world.js';

let api: Api;
let side: Side;
beforeAll(async () => {
  api = await Api.start();
  side = await makeSide(api, 'shard-1');
}, 60_000);
afterAll(() => api?.stop());

interface Knock {
  readonly from: string;
  readonly token?: string;
  readonly lookup?: boolean;
}

/** One request from an address: a list, a lookup of a member, or (without a token) the check of a card. */
async function knock({ from, token, lookup = false }: Knock) {
  const method = token !== undefined && !lookup ? 'GET' : 'POST';
  const url = lookup ? '/api/v1/members/lookup' : token === undefined ? '/api/v1/cards/verify' : '/api/v1/services';
  const payload = lookup ? { idNumber: 'unknown-1' } : { scan: 'none', nonce: 'bm9uZQ' };
  const { statusCode, headers, body } = await api.app.inject({
    method,
    url,
    remoteAddress: from,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(method === 'POST' ? { payload } : {}),
  });
  return {
    status: statusCode,
    policies: String(headers['ratelimit-policy']),
    retryAfterS: Number(headers['retry-after']),
    violated: statusCode === 429 ? JSON.parse(body)['violated-policies'] : [],
  };
}

/** How many were let through, and the first that was not. */
async function knockUntilRefused(max: number, each: (n: number) => Knock) {
  for (let n = 1; n <= max; n += 1) {
    const answer = await knock(each(n));
    if (answer.status === 429) return { passed: n - 1, refused: answer };
  }
  return { passed: max, refused: null };
}
const address = (n: number): string => `198.51.${100 + Math.floor(n / 250)}.${1 + (n % 250)}`;

describe('limits, counted in Redis', () => {
  it('[C-074] refuse the 1,001st request of one user, wherever it comes from, and leave another user alone', async () => {
    const ann = await join(api, side.ctx, side.slug, ['admin']);
    const bob = await join(api, side.ctx, side.slug, ['admin']);
    const { passed, refused } = await knockUntilRefused(1_010, (n) => ({ from: address(n), token: ann.token }));
    expect(passed).toBe(1_000);
    expect(refused?.policies).toContain('"authenticated";q=1000;w=900');
    expect(refused?.retryAfterS).toBeGreaterThan(0);
    expect((await knock({ from: address(1), token: bob.token })).status).toBe(200);
  }, 60_000);

  it('[C-075] refuse the 101st request of an address without a login, while one with a login passes', async () => {
    const from = '203.0.113.75';
    const { passed, refused } = await knockUntilRefused(110, () => ({ from }));
    expect(passed).toBe(100);
    expect(refused?.policies).toContain('"anonymous";q=100;w=900');
    expect((await knock({ from, token: side.owner.token })).status).toBe(200);
  });

  it('[A-046] refuse the eleventh attempt of an address at a session within a second, and say when to come back', async () => {
    const attempt = () =>
      api.app.inject({
        method: 'POST',
        url: '/api/v1/auth/refresh',
        remoteAddress: '203.0.113.46',
        payload: { refreshToken: 'none' },
      });
    const answers = await Promise.all(Array.from({ length: 11 }, attempt));
    expect(answers.filter(({ statusCode }) => statusCode === 401)).toHaveLength(10);
    const [refused] = answers.filter(({ statusCode }) => statusCode === 429);
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  });

  it('[B-030] refuse the 61st lookup of members from an address in a minute, by name', async () => {
    const person = await join(api, side.ctx, side.slug, ['admin']);
    const { passed, refused } = await knockUntilRefused(70, () => ({
      from: '203.0.113.30',
      token: person.token,
      lookup: true,
    }));
    expect(passed).toBe(60);
    expect(refused?.policies).toContain('"member-lookup";q=60;w=60');
    expect((await knock({ from: '203.0.113.31', token: person.token, lookup: true })).status).not.toBe(429);
  });

  it('[B-029] refuse the 1,001st request of one address in 15 minutes, whoever asks from there', async () => {
    const people = [await join(api, side.ctx, side.slug, ['admin']), await join(api, side.ctx, side.slug, ['admin'])];
    const from = '203.0.113.29';
    const { passed, refused } = await knockUntilRefused(1_010, (n) => ({ from, token: people[n % 2]?.token ?? '' }));
    expect(passed).toBe(1_000);
    expect(refused?.policies).toContain('"general";q=1000;w=900');
  }, 60_000);

  it.each([
    ['E-019', 'FREE', 500],
    ['E-020', 'BASIC', 2_000],
    ['E-021', 'PROFESSIONAL', 5_000],
    ['E-022', 'ENTERPRISE', 20_000],
  ] as const)(
    '[%s] give %s tenants %i requests in 15 minutes, and take none from another',
    async (_, plan, limit) => {
      const { ctx, token } = await ownerOf(plan);
      await useUp(ctx.tenant, limit - 5);
      const { passed, refused } = await knockUntilRefused(10, (n) => ({ from: address(n), token }));
      expect(passed).toBe(5);
      expect(refused?.violated).toEqual(['tenant-plan']);
      expect(refused?.policies).toContain(`"tenant-plan";q=${limit};w=900`);
      expect((await knock({ from: address(1), token: (await ownerOf(plan)).token })).status).toBe(200);
    },
    60_000,
  );
});

async function ownerOf(plan: Plan) {
  const ctx = await api.db.newTenant({ plan });
  const { slug } = await api.db.sharding.tenants.byId(ctx.tenant.id);
  await api.app.get(Users).createOwner(ctx, { email: `owner@${slug}.example`, displayName: 'Owner', password });
  const { token } = await login(api, slug, `owner@${slug}.example`);
  return { ctx, token };
}

/** As many requests as that of the tenant's people, each from a place of its own. */
async function useUp({ id, plan }: Side['ctx']['tenant'], count: number): Promise<void> {
  const limits = api.app.get(Limits);
  const ask = (n: number) =>
    limits.consume(['read'], { ip: `2001:db8:${n.toString(16)}::1`, userId: newId(), tenantId: id, plan });
  for (let done = 0; done < count; done += batch) {
    const results = await Promise.all(Array.from({ length: Math.min(batch, count - done) }, (_, n) => ask(done + n)));
    expect(results.every(({ allowed }) => allowed)).toBe(true);
  }
}
/** Few enough that Redis answers in time on a busy machine: a late answer would be counted in the process instead. */
const batch = 25;
