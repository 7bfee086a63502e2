import { Invitations } from '#infra/identity';
import { newId } from '#infra/kernel';
import { operationsOf } from './operations.js';
import { type Answer, Api, booking, makeSide, type Side, slotAt } from './world.js';

/** A person whose every part is unlike anything else in the product. */
const planted = {
  name: 'Zebulon Quirkheim',
  phone: '+1 999 555 0173',
  email: 'zebulon@quirkheim.example',
  note: 'allergic to quartzberries',
};
const traces = ['zebulon', 'quirkheim', '9995550173', '999 555 0173', 'quartzberr'];
const found = (text: string): string[] => {
  const lower = text.toLowerCase();
  return traces.filter((trace) => lower.includes(trace) || lower.includes(encodeURIComponent(trace)));
};

let api: Api;
let side: Side;
let shown: Answer;
const problems: Answer[] = [];

const post = (body: unknown, headers: Record<string, string> = {}, path = '/api/v1/appointments') =>
  api.call({
    method: 'POST',
    path,
    token: side.owner.token,
    headers: { 'idempotency-key': newId(), ...headers },
    body,
  });
const withClient = (start: string) => ({
  ...booking(side, start),
  client: { name: planted.name, phone: planted.phone, email: planted.email },
  note: planted.note,
});

/** The name goes in by every door that it can come through: the right ones, the wrong ones, and a database that fails. */
beforeAll(async () => {
  api = await Api.start({ RATE_LIMIT_AUTHENTICATED: '100000', RATE_LIMIT_GENERAL: '100000', SESSIONS_PER_USER: '100' });
  side = await makeSide(api, 'shard-1');
  shown = await post(withClient(slotAt(3)));
  problems.push(await post(withClient(slotAt(3))));
  problems.push(
    await post({ ...withClient(slotAt(4)), [planted.name]: 1, start: planted.name, serviceId: planted.name }),
  );
  problems.push(await post(withClient(slotAt(4)), { 'idempotency-key': `${planted.name}\u0001` }));
  problems.push(await post(`{"client": {"name": "${planted.name}"`, { 'content-type': 'application/json' }));
  problems.push(await post(planted.name, { 'content-type': 'text/plain' }));
  problems.push(
    await post({ tenant: side.slug, email: planted.email, password: planted.name }, {}, '/api/v1/auth/login'),
  );
  problems.push(
    await post(
      { token: planted.name, password: 'x', displayName: planted.name },
      {},
      '/api/v1/auth/invitations/accept',
    ),
  );
  await strayCalls();
  await withBrokenTable('appointment', async () => problems.push(await post(withClient(slotAt(5)))));
  await withBrokenTable('audit_event', async () => {
    problems.push(await api.call({ method: 'GET', path: '/api/v1/appointments', token: side.owner.token }));
  });
  await api.app.get(Invitations).invite(side.ctx, { email: planted.email, roles: ['billing'] });
}, 60_000);
afterAll(() => api?.stop());

/** Every route, with the name where an id, a filter, a version or a token belongs. */
async function strayCalls(): Promise<void> {
  for (const operation of await operationsOf(api)) {
    const params = Object.fromEntries(
      [...operation.path.matchAll(/\{(\w+)\}/g)].map((m) => [String(m[1]), planted.name]),
    );
    const call = { ...operation, params, query: { limit: planted.name, q: planted.name }, token: side.owner.token };
    const headers = { 'if-match': planted.name, 'idempotency-key': newId(), 'x-request-id': planted.name };
    const body = operation.method === 'GET' || operation.method === 'DELETE' ? {} : { body: { name: planted.name } };
    problems.push(await api.call({ ...call, headers, ...body }));
    problems.push(await api.call({ ...call, token: planted.name, ...body }));
  }
  problems.push(await api.call({ method: 'GET', path: `/api/v1/${encodeURIComponent(planted.name)}` }));
}

async function withBrokenTable(table: string, work: () => Promise<unknown>): Promise<void> {
  await api.db.asAdmin('shard-1', `alter table ${table} rename to ${table}_away`);
  try {
    await work();
  } finally {
    await api.db.asAdmin('shard-1', `alter table ${table}_away rename to ${table}`);
  }
}

describe('a planted name', () => {
  it('is shown to whoever may see it, so that its absence elsewhere means something', async () => {
    expect([shown.status, found(shown.text).length]).toEqual([201, traces.length - 1]);
    const read = await api.must({
      method: 'GET',
      path: `/api/v1/appointments/${shown.json.id}`,
      token: side.owner.token,
    });
    expect(read.json.client.name).toBe(planted.name);
  });

  it('stands in no error body and no header of one', () => {
    const statuses = new Set(problems.map((p) => p.status).filter((status) => status >= 400));
    for (const status of [400, 401, 404, 409, 415, 422, 500, 503]) expect([...statuses]).toContain(status);
    const telling = problems.filter((p) => p.status >= 400 && found(p.text + JSON.stringify(p.headers)).length > 0);
    expect(telling.map((p) => p.text)).toEqual([]);
  });

  it('[D-066] stands in no line of the log, though failures and every request are logged', () => {
    expect(api.logLines.length).toBeGreaterThan(problems.length);
    expect(api.logLines.some((line) => line.includes('"error.sqlstate":"42P01"'))).toBe(true);
    expect(api.logLines.filter((line) => found(line).length > 0)).toEqual([]);
  });

  it('stands in no metric', async () => {
    const { text } = await api.must({ method: 'GET', path: '/metrics' });
    expect(text).toContain('http_requests_total');
    expect(found(text)).toEqual([]);
  });

  it('stands in no key and no value of Redis', async () => {
    const connection = api.db.redis.get('cache');
    await api.db.redis.ready('cache', 1_000);
    const client = connection as unknown as {
      keys(p: string): Promise<string[]>;
      dumpBuffer(k: string): Promise<Buffer>;
    };
    const keys = await client.keys('*');
    expect(keys.length).toBeGreaterThan(3);
    const dumps = await Promise.all(keys.map((key) => client.dumpBuffer(key)));
    expect(keys.filter((key, n) => found(key + (dumps[n]?.toString('latin1') ?? '')).length > 0)).toEqual([]);
  });

  it('stands in no table, but for envelopes that do not show it', async () => {
    const leaks: string[] = [];
    for (const database of ['directory', 'shard-1', 'shard-2']) {
      const tables = await api.db.asAdmin<{ name: string }>(
        database,
        `select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'`,
      );
      for (const { name } of tables) {
        const rows = await api.db.asAdmin<Record<string, unknown>>(database, `select * from ${name}`);
        const text = rows.flatMap((row) => Object.values(row).map(asText)).join('\n');
        if (found(text).length > 0) leaks.push(`${database}.${name}`);
      }
    }
    expect(leaks).toEqual([]);
  });
});

const asText = (value: unknown): string =>
  Buffer.isBuffer(value) ? value.toString('latin1') : typeof value === 'object' ? JSON.stringify(value) : String(value);
