import { randomBytes } from 'node:crypto';
import { newId } from '#infra/kernel';
import { CompiledProduct, findPort, openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { RunningProcess } from './running-process.js';

const readyMaxMs = 60_000;
const ranks = 'c1:wanted:memberData';
const people = 40;
const password = 'nine-lamps-in-a-row';
const tenant = `t-${newId().slice(-12)}`;
const email = `owner@${tenant}.example`;
const apis: RunningProcess[] = [];
let compiled: CompiledProduct;
let db: TestDatabases;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  compiled = new CompiledProduct('apps', 'libs', 'migrations');
  db = await openTestDatabases();
  env = {
    ...db.env,
    TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
    ENABLE_RATE_LIMITING: 'false',
    DRAIN_WAIT: '0',
  };
  const owner = ['--slug', tenant, '--name', tenant, '--plan', 'PROFESSIONAL', '--owner-email', email];
  const made = await praxis(['tenants', 'create', ...owner, '--password-stdin'], password);
  expect(made.code).toBe(0);
}, 120_000);
afterAll(async () => {
  await Promise.all(apis.map((api) => api.end('SIGKILL')));
  await db?.close();
  compiled?.remove();
}, 60_000);

async function praxis(words: readonly string[], stdin = '', more: Readonly<Record<string, string>> = {}) {
  const running = new RunningProcess(compiled.program('apps/cli/src/main.ts'), words, { ...env, ...more }, stdin);
  const { code } = await running.exited;
  return { code, out: running.out, err: running.err };
}

/** An api with nothing in its memory, and a person in it. */
async function startApi() {
  const port = await findPort('api', [], () => undefined);
  const url = `http://127.0.0.1:${port}`;
  const own = { ...env, HTTP_PORT: String(port), HTTP_HOST: '127.0.0.1' };
  const api = new RunningProcess(compiled.program('apps/api/src/main.ts'), [], own);
  apis.push(api);
  await api.until(async () => (await fetch(`${url}/health/ready`).catch(() => null))?.ok === true, readyMaxMs);
  // biome-ignore lint/suspicious/noExplicitAny: answers of several routes pass through here
  const ask = async (path: string, token = '', body?: object): Promise<any> => {
    const response = await fetch(`${url}/api/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json', 'idempotency-key': newId() }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  };
  const { accessToken } = await ask('v1/auth/login', '', { tenant, email, password });
  return { url, process: api, ask: (path: string, body?: object) => ask(path, accessToken, body) };
}
type Api = Awaited<ReturnType<typeof startApi>>;

const enrol = async ({ ask }: Api): Promise<string> =>
  (
    await ask('v1/members', {
      name: { given: 'Zebulon', family: 'Quirkheim' },
      idScheme: 'generic',
      idNumber: `P${newId().replaceAll('-', '').slice(-16)}`,
      membership: { from: '2026-01-01', tz: 'Africa/Johannesburg' },
    })
  ).id;

const statsOf = async ({ url }: Api) => {
  const words = ['cache', 'stats', '--tenant', tenant, '--email', email, '--api', url, '--password-stdin'];
  const { code, out, err } = await praxis(words, `${password}\n`);
  expect([code, err]).toEqual([0, []]);
  return JSON.parse(out.join('\n'));
};

/** Hits among the reads of a replay, as the process itself counts them. */
async function replay(api: Api, ids: readonly string[]): Promise<number> {
  const counted = async () => (await statsOf(api)).strategies.memberData;
  const before = await counted();
  for (const id of ids) expect((await api.ask(`v1/members/${id}`)).id).toBe(id);
  const after = await counted();
  expect(after.hits + after.misses - before.hits - before.misses).toBe(ids.length);
  return (after.hits - before.hits) / ids.length;
}

describe('praxis cache', () => {
  it('[C-128, C-129] stats prints what the endpoint says; warm raises the rate of hits of a replay after a flush to 85 % and more', async () => {
    // Its commands wait, however busy the machine is.
    const redis = db.redis.get('queues');
    const first = await startApi();
    const members: string[] = [];
    for (let n = 0; n < people; n += 1) members.push(await enrol(first));
    // Few are asked for often, most of them once or twice.
    const reads = Array.from({ length: 2 * people }, (_, n) => members[n < people ? n : n % 8] as string);
    const cold = await replay(first, reads);
    expect(cold).toBeLessThan(0.85);
    expect(await statsOf(first)).toEqual(await first.ask('admin/cache/stats'));
    // Counts that Redis takes too late are lost, and one in sixteen of those that memory answers counts.
    const areRanked = async () => {
      if ((await redis.zcard(ranks)) === people) return true;
      for (const id of members) await first.ask(`v1/members/${id}`);
      return false;
    };
    expect(await waitUntil(areRanked, 60_000)).toBe(true);
    await first.process.end('SIGKILL');

    const kept = await redis.keys('c1:{t:*');
    expect(kept.length).toBeGreaterThan(people);
    await redis.del(...kept);
    // A process that starts reads ahead by itself: this one shall find nothing to read.
    await redis.rename(ranks, 'aside');
    const second = await startApi();
    await redis.rename('aside', ranks);
    const { code, out } = await praxis(['cache', 'warm']);
    expect([code, JSON.parse(out.join())]).toEqual([0, { loaded: people, failed: 0, skipped: false }]);
    const warm = await replay(second, reads);
    expect(warm).toBeGreaterThanOrEqual(0.85);
  }, 240_000);

  it('ends with a sentence where something is missing or nobody may know', async () => {
    expect(await praxis(['cache', 'warm', '--fast'])).toMatchObject({ code: 2, out: [] });
    expect(await praxis(['cache', 'stats', '--tenant', tenant])).toMatchObject({ code: 2, out: [] });
    const nowhere = await findPort('nobody', [], () => undefined);
    const away = await praxis(['cache', 'warm'], '', { REDIS_URL: `redis://127.0.0.1:${nowhere}` });
    expect([away.code, away.out]).toEqual([1, []]);
    expect(away.err[0]).toContain('does not answer');
  }, 60_000);
});
