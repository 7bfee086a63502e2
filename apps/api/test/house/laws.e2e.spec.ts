import { permissionsByRole } from '#infra/identity';
import { newId } from '#infra/kernel';
import { type Operation, operationsOf } from './operations.js';
import { samples } from './samples.js';
import { type Answer, Api, makeSide, type Side } from './world.js';

let api: Api;
let operations: readonly Operation[];
let mine: Side;
/** On the same shard, where a leak would be easiest. */
let theirs: Side;

beforeAll(async () => {
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false', SESSIONS_PER_USER: '100' });
  operations = await operationsOf(api);
  mine = await makeSide(api, 'shard-1');
  theirs = await makeSide(api, 'shard-1');
}, 60_000);
afterAll(() => api?.stop());

const sampleOf = (operation: Operation, side: Side) => {
  const make = samples[operation.id];
  if (!make) throw new Error(`${operation.id} needs a sample in samples.ts`);
  return make(api, side);
};
const theirIdOf = (noun: string): string => {
  const known: Record<string, string> = {
    location: theirs.locationId,
    service: theirs.serviceId,
    resource: theirs.resourceIds.provider,
    appointment: theirs.appointmentId,
    block: theirs.blockId,
    patient: theirs.patientId,
    note: theirs.noteId,
    member: theirs.memberId,
    card: theirs.cardId,
    source: theirs.sourceIds.left,
    statement: theirs.statementId,
    run: theirs.runId,
    user: theirs.colleague.id,
    session: theirs.colleague.sessionId,
    tenant: theirs.ctx.tenant.id,
  };
  const id = known[noun];
  if (id === undefined) throw new Error(`the matrix knows no ${noun} of another tenant`);
  return id;
};
/** What a client sees, without what differs from request to request. */
const visible = ({ status, text, headers }: Answer) => ({
  status,
  text: text.replaceAll(/"requestId":"[^"]+"/g, ''),
  headers: Object.keys(headers).sort(),
});
const eventsOf = async (requestId: string): Promise<{ action: string; outcome: string }[]> => {
  const sql = 'select action, outcome from audit_event where request_id = $1';
  const found = await Promise.all(
    ['directory', 'shard-1', 'shard-2'].map((database) =>
      api.db.asAdmin<{ action: string; outcome: string }>(database, sql, [requestId]),
    ),
  );
  return found.flat();
};

describe('every operation of the document', () => {
  it('[D-065] has a sample that succeeds, and leaves exactly the audit event that it names', async () => {
    const wrong: string[] = [];
    for (const operation of operations) {
      const requestId = newId();
      const sample = await sampleOf(operation, mine);
      const answer = await api.call({
        ...operation,
        ...sample,
        headers: { ...sample.headers, 'x-request-id': requestId },
      });
      if (answer.status >= 300) wrong.push(`${operation.id}: ${answer.status} ${answer.text}`);
      const told = (await eventsOf(requestId)).map((event) => `${event.action} ${event.outcome}`);
      // A refresh is recorded only when it betrays a stolen token.
      const silent = operation.audit === 'none' || operation.id === 'AuthController_refresh';
      const expected = silent ? [] : [`${operation.audit} success`];
      if (told.join() !== expected.join())
        wrong.push(`${operation.id}: ${told.join() || 'no event'}, not ${expected.join()}`);
    }
    expect(wrong).toEqual([]);
    expect(operations.length).toBeGreaterThan(45);
  }, 60_000);

  it('answers another tenant’s id, wherever it stands, as it answers an unknown one: the same 404', async () => {
    const wrong: string[] = [];
    let cells = 0;
    for (const operation of operations)
      for (const place of operation.ids) {
        const foreign = await api.call({
          ...operation,
          ...place.replace(await sampleOf(operation, mine), theirIdOf(place.noun)),
        });
        const unknown = await api.call({ ...operation, ...place.replace(await sampleOf(operation, mine), newId()) });
        cells += 1;
        const same = JSON.stringify(visible(foreign)) === JSON.stringify(visible(unknown));
        if (foreign.status !== 404 || !same)
          wrong.push(
            `${operation.id} ${place.where}: ${foreign.status} ${foreign.text} / ${unknown.status} ${unknown.text}`,
          );
      }
    expect(wrong).toEqual([]);
    expect(cells).toBeGreaterThan(35);
  }, 120_000);

  it('shows no id of another tenant in any answer', async () => {
    const foreignIds = [theirs.ctx.tenant.id, theirs.owner.id, theirs.colleague.id, theirs.locationId, theirs.serviceId]
      .concat([theirs.appointmentId, theirs.blockId, theirs.patientId, theirs.memberId, theirs.cardId])
      .concat([theirs.colleague.sessionId, theirs.statementId, theirs.runId])
      .concat(Object.values(theirs.sourceIds))
      .concat(Object.values(theirs.resourceIds));
    const leaks: string[] = [];
    for (const operation of operations) {
      const { query: _, ...sample } = await sampleOf(operation, mine);
      const query = operation.id.endsWith('_list') ? {} : (await sampleOf(operation, mine)).query;
      const { text } = await api.call({ ...operation, ...sample, ...(query ? { query } : {}) });
      for (const id of foreignIds) if (text.includes(id)) leaks.push(`${operation.id}: ${id}`);
    }
    expect(leaks).toEqual([]);
  }, 60_000);

  it('[A-039] tells nobody to keep what is personal or secret: no-store', async () => {
    const wrong: string[] = [];
    for (const operation of operations) {
      const { headers } = await api.call({ ...operation, ...(await sampleOf(operation, mine)) });
      const mayKeep = operation.audit === 'none' && !operation.path.startsWith('/api/v1/auth');
      const keeps = headers['cache-control'] !== 'no-store';
      if (keeps && !mayKeep) wrong.push(`${operation.id}: ${headers['cache-control']}`);
      // What needs no login, and is about nobody, is the same for everybody.
      if (keeps && operation.permission !== 'public' && !String(headers['cache-control']).startsWith('private, '))
        wrong.push(`${operation.id}: for everybody`);
    }
    expect(wrong).toEqual([]);
  }, 60_000);

  it('that is a list gives the same second item by page number as by cursor, leads back to the first, and can be counted', async () => {
    const wrong: string[] = [];
    let compared = 0;
    for (const operation of operations.filter(({ queries }) => queries.includes('page'))) {
      const sample = await sampleOf(operation, mine);
      const at = async (query: Record<string, string>) =>
        (await api.call({ ...operation, ...sample, query: { ...sample.query, limit: '1', ...query } })).json;
      const first = await at({});
      const numbered = await at({ page: '2', count: 'true' });
      const total = first.data.length === 0 ? 0 : 1 + numbered.data.length;
      const expected = { page: 2, limit: 1, totalIsEstimate: false };
      if (JSON.stringify({ ...numbered.page, ...expected }) !== JSON.stringify(numbered.page)) wrong.push(operation.id);
      if (numbered.page.total < total || numbered.page.pages !== numbered.page.total)
        wrong.push(`${operation.id} total`);
      if (first.page.limit !== 1 || first.page.prevCursor !== null) wrong.push(`${operation.id} page`);
      if (first.page.nextCursor === null) continue;
      const second = await at({ cursor: first.page.nextCursor });
      const back = await at({ cursor: second.page.prevCursor });
      compared += 1;
      if (JSON.stringify(numbered.data) !== JSON.stringify(second.data)) wrong.push(`${operation.id} by number`);
      // The cursors of both may be of either side of a ten minutes' mark.
      const { data, page } = back;
      if (JSON.stringify(data) !== JSON.stringify(first.data) || page.prevCursor !== null || page.nextCursor === null)
        wrong.push(`${operation.id} back`);
    }
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThan(7);
  }, 60_000);

  it('is refused without a login (401), and without its permission (403) with the attempt on record', async () => {
    const wrong: string[] = [];
    for (const operation of operations.filter((o) => o.permission !== 'public')) {
      const sample = await sampleOf(operation, mine);
      const { token: _, ...anonymous } = sample;
      const stranger = await api.call({ ...operation, ...anonymous });
      if (stranger.status !== 401) wrong.push(`${operation.id} without a login: ${stranger.status}`);
      if (operation.permission === 'self') continue;
      const requestId = newId();
      const headers = { ...sample.headers, 'x-request-id': requestId };
      const denied = await api.call({ ...operation, ...sample, headers, token: mine.colleague.token });
      if (denied.status !== 403) wrong.push(`${operation.id} without permission: ${denied.status}`);
      const told = (await eventsOf(requestId)).map((event) => event.outcome);
      if (operation.audit !== 'none' && told.join() !== 'denied')
        wrong.push(`${operation.id}: denial left ${told.join()}`);
    }
    expect(wrong).toEqual([]);
  }, 60_000);

  it('asks for a permission that some role has; and each permission but the audit’s is asked for somewhere', () => {
    const asked = new Set(operations.map((o) => o.permission).filter((p) => p !== 'public' && p !== 'self'));
    const granted = new Set<string>(Object.values(permissionsByRole).flat());
    expect([...asked].filter((p) => !granted.has(p))).toEqual([]);
    expect([...granted].filter((p) => !asked.has(p))).toEqual(['audit.read']);
  });
});

describe('the tables behind it all', () => {
  it('show the application’s role no row where no tenant is entered, though they are full', async () => {
    const full: string[] = [];
    for (const database of ['directory', 'shard-1']) {
      const tables = await api.db.asAdmin<{ name: string; readable: boolean }>(
        database,
        `select c.relname as name, has_table_privilege('praxis_app', c.oid, 'select') as readable from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
            and not c.relispartition and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')`,
      );
      for (const { name, readable } of tables) {
        if (!readable) continue;
        const [seen] = await api.db.asApp<{ n: string }>(database, `select count(*) as n from ${name}`);
        const [there] = await api.db.asAdmin<{ n: string }>(database, `select count(*) as n from ${name}`);
        expect({ database, name, seen: seen?.n }).toEqual({ database, name, seen: '0' });
        if (Number(there?.n) > 0) full.push(name);
      }
    }
    expect(full.length).toBeGreaterThan(18);
  });
});
