import { Invitations } from '#infra/identity';
import { newId } from '#infra/kernel';
import { filesHolding } from './data-files.js';
import { operationsOf } from './operations.js';
import { type PlantedFile, plantFile } from './planted-file.js';
import { type Answer, Api, booking, makeSide, type Side, slotAt } from './world.js';

/** A person whose every part is unlike anything else in the product. */
const planted = {
  name: 'Zebulon Quirkheim',
  phone: '+1 999 555 0173',
  email: 'zebulon@quirkheim.example',
  note: 'allergic to quartzberries',
  idNumber: '8001015009087',
};
const traces = ['zebulon', 'quirkheim', '9995550173', '999 555 0173', 'quartzberr'];
/** As it was typed, and its digits. */
const phones = [planted.phone, '9995550173'];
const found = (text: string): string[] => {
  const lower = text.toLowerCase();
  return [...traces, planted.idNumber].filter(
    (trace) => lower.includes(trace) || lower.includes(encodeURIComponent(trace)),
  );
};

let api: Api;
let side: Side;
let shown: Answer;
let registered: Answer;
let searched: Answer;
let refusedTwice: Answer;
let lookedUp: Answer[];
let file: PlantedFile;
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
  api = await Api.start({
    RATE_LIMIT_AUTHENTICATED: '100000',
    RATE_LIMIT_GENERAL: '100000',
    RATE_LIMIT_ANONYMOUS: '100000',
    SESSIONS_PER_USER: '100',
  });
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
  await throughPatients();
  await throughMembers();
  file = await plantFile(
    api,
    side,
    `${planted.name} ${planted.phone} ${planted.email} ${planted.note}`,
    withBrokenTable,
  );
  problems.push(...file.refused);
  await strayCalls();
  await withBrokenTable('appointment', async () => problems.push(await post(withClient(slotAt(5)))));
  await withBrokenTable('audit_event', async () => {
    const path = `/api/v1/appointments/${shown.json.id}`;
    problems.push(await api.call({ method: 'GET', path, token: side.owner.token }));
  });
  await api.app.get(Invitations).invite(side.ctx, { email: planted.email, roles: ['billing'] });
}, 60_000);
afterAll(() => api?.stop());

/** As a patient: registered, found, corrected, restored; taken for a duplicate; refused; and where a table is missing. */
async function throughPatients(): Promise<void> {
  const path = '/api/v1/patients';
  const [given, family] = planted.name.split(' ');
  const patient = { given, family, phone: planted.phone, email: planted.email, address: { street: planted.note } };
  registered = await post(patient, {}, path);
  searched = await post({ name: planted.name, phone: planted.phone }, {}, `${path}/search`);
  const own = `${path}/${registered.json.id}`;
  const { token } = side.owner;
  const ifMatch = (version: number) => ({ 'if-match': `"v${version}"` });
  await api.must({ method: 'PATCH', path: own, token, headers: ifMatch(1), body: { given: planted.name } });
  await api.must({ method: 'POST', path: `${own}/versions/1/restore`, token, headers: ifMatch(2) });
  refusedTwice = await post(patient, {}, path);
  problems.push(refusedTwice);
  problems.push(await post({ ...patient, sex: planted.name, [planted.name]: planted.name }, {}, path));
  problems.push(await post({ name: planted.name, limit: planted.name }, {}, `${path}/search`));
  problems.push(await post({ phone: planted.name }, {}, `${path}/search`));
  problems.push(
    await api.call({ method: 'PATCH', path: own, token, headers: ifMatch(1), body: { given: planted.name } }),
  );
  await withBrokenTable('patient_token', async () => {
    problems.push(await post({ ...patient, given: 'Other' }, {}, path));
    problems.push(await post({ name: planted.name }, {}, `${path}/search`));
  });
}

/** As a member: enrolled, looked up in the body and in the path, taken for the same again; refused; and where a table is missing. */
async function throughMembers(): Promise<void> {
  const path = '/api/v1/members';
  const [given, family] = planted.name.split(' ');
  const member = {
    name: { given, family },
    idNumber: planted.idNumber,
    membership: { from: '2026-01-01', tz: 'Africa/Johannesburg' },
  };
  const get = (idNumber: string) =>
    api.call({ method: 'GET', path: `/api/v1/optimized-cards/member/${idNumber}`, token: side.owner.token });
  const enrolled = await api.must({ method: 'POST', path, token: side.owner.token, body: member });
  const unknown = '8001015009186';
  lookedUp = [await post({ idNumber: planted.idNumber }, {}, `${path}/lookup`), await get(planted.idNumber)];
  lookedUp.push(await get(unknown), await post({ idNumber: unknown }, {}, `${path}/lookup`));
  problems.push(await post(member, {}, path));
  problems.push(await post({ ...member, idNumber: `${planted.idNumber}1`, [planted.name]: 1 }, {}, path));
  problems.push(await post({ idNumber: planted.name }, {}, `${path}/lookup`));
  problems.push(await post({ idNumber: `${planted.idNumber}1` }, {}, `${path}/lookup`));
  problems.push(await get(`${planted.idNumber}1`), await get(`${planted.idNumber}?idScheme=${planted.idNumber}`));
  problems.push(await post({ scan: planted.name, nonce: planted.name }, {}, '/api/v1/cards/verify'));
  problems.push(await post({ reason: planted.name }, { 'if-match': '"v1"' }, `/api/v1/cards/${side.cardId}/revoke`));
  problems.push(
    await post({}, {}, `${path}/${enrolled.json.id}/cards`),
    await post({ scan: planted.name }, {}, '/api/v1/cards/inspect'),
  );
  await withBrokenTable('member_id_token', async () => {
    problems.push(await post({ ...member, idNumber: unknown }, {}, path));
    problems.push(await post({ idNumber: planted.idNumber }, {}, `${path}/lookup`), await get(planted.idNumber));
  });
}

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
    expect([registered.status, found(registered.text).length]).toEqual([201, traces.length - 1]);
    expect(searched.json.data).toMatchObject([{ id: registered.json.id, family: 'Quirkheim', phone: planted.phone }]);
  });

  it('stands in what is shown of a file: its records, its rejected rows, and what a run left open', () => {
    for (const { status, text } of file.shown) expect([status, found(text).length]).toEqual([200, traces.length - 1]);
    const [records, rejected, ragged, open] = file.shown.map(({ json }) => json.data);
    expect(records).toHaveLength(2);
    expect(rejected.map((row: { code: string }) => row.code)).toEqual(['external_id_conflict', 'bad_date']);
    expect(ragged).toHaveLength(2);
    expect(open).toHaveLength(1);
    expect(file.ends).toEqual(['done', 'done', 'done', 'done', 'done', 'retry', 'done', 'retry']);
  });

  it('is known again when it is registered twice: by its id and the names of fields', () => {
    expect(refusedTwice.json).toMatchObject({
      status: 409,
      code: 'patient.possible_duplicate',
      candidates: [
        { patientId: registered.json.id, grade: 'probable', fields: expect.arrayContaining(['family', 'email']) },
      ],
    });
  });

  it('[B-058] is looked up by id number: 200, and 404 for none, with the number in no line of the log and no key of Redis', async () => {
    expect(lookedUp.map(({ status }) => status)).toEqual([200, 200, 404, 404]);
    for (const answer of lookedUp.slice(0, 2))
      expect(answer.json).toMatchObject({
        name: { given: 'Zebulon', family: 'Quirkheim' },
        idNumber: { masked: '80010*****087' },
      });
    const [, , byPath, byBody] = lookedUp.map(({ json }) => ({ ...json, requestId: '' }));
    expect(byPath).toEqual(byBody);
    expect(byPath).toMatchObject({ status: 404, code: 'member.not_found' });
    expect(api.logLines.filter((line) => line.includes('/optimized-cards/member/:idNumber')).length).toBeGreaterThan(3);
    expect(api.logLines.filter((line) => /8001015009087|8001015009186/.test(line))).toEqual([]);
    await api.db.redis.ready('queues', 5_000);
    const keys = await (api.db.redis.get('queues') as unknown as { keys(p: string): Promise<string[]> }).keys('*');
    expect(keys.length).toBeGreaterThan(3);
    expect(keys.filter((key) => /8001015009087|8001015009186/.test(key))).toEqual([]);
  });

  it('stands in no error body and no header of one', () => {
    const statuses = new Set(problems.map((p) => p.status).filter((status) => status >= 400));
    for (const status of [400, 401, 404, 409, 412, 415, 422, 500, 503]) expect([...statuses]).toContain(status);
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
    const connection = api.db.redis.get('queues');
    await api.db.redis.ready('queues', 5_000);
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

  it('stands in no data file of PostgreSQL, nor in its write-ahead log, where what is not sealed is easily found', async () => {
    expect(await filesHolding(api.db, [side.slug])).not.toEqual([]);
    expect(await filesHolding(api.db, ['Zebulon', 'Quirkheim', 'quartzberr', planted.idNumber, ...phones])).toEqual([]);
  }, 60_000);
});

const asText = (value: unknown): string =>
  Buffer.isBuffer(value) ? value.toString('latin1') : typeof value === 'object' ? JSON.stringify(value) : String(value);
