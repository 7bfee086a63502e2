import { newId } from '#infra/kernel';
import { Sharding } from '#infra/sharding';
import { Api } from './house/api.js';
import { booking, makeSide, newMember, newPatient, type Side, slotAt } from './house/world.js';

const rows = 50;
const attempts = 5;

let api: Api;
let side: Side;
beforeAll(async () => {
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false' });
  side = await makeSide(api, 'shard-2');
  await api.db.asAdmin('directory', `update tenant set plan = 'ENTERPRISE' where id = $1`, [side.ctx.tenant.id]);
  const { token } = side.owner;
  const post = (path: string, body: unknown, params: Readonly<Record<string, string>> = {}) =>
    api.must({ method: 'POST', path, params, body, token, headers: { 'idempotency-key': newId() } });
  for (let n = 0; n < rows; n += 1) {
    await post('/api/v1/locations', { name: `Branch ${n}`, tz: 'UTC' });
    await post('/api/v1/resources', { locationId: side.locationId, kind: 'room', name: `Room ${n}` });
    await post('/api/v1/members', newMember());
    await post('/api/v1/patients', newPatient());
    await post('/api/v1/patients/{patientId}/notes', { text: `Visit ${n}` }, { patientId: side.patientId });
    await post('/api/v1/users/invitations', { email: `staff-${n}@harbor.example`, roles: ['nurse'] });
    const start = slotAt(Math.floor(n / 2) % 20, (n % 2) * 30, n < 40 ? '2027-03-03' : '2027-03-04');
    await post('/api/v1/appointments', booking(side, start));
  }
}, 180_000);
afterAll(() => api?.stop());

const sent = () => api.app.get(Sharding).nodes.reduce((sum, { queries }) => sum + queries.queryCount, 0);

/** Statements of one page, over every server; what the process does beside it falls away with the smallest of several. */
async function costOf(path: string, limit: number) {
  const costs: number[] = [];
  for (let n = 0; n < attempts; n += 1) {
    const before = sent();
    const { json } = await api.must({
      method: 'GET',
      path,
      params: { patientId: side.patientId },
      query: { limit: String(limit) },
      token: side.owner.token,
    });
    const items = json.items ?? json.data;
    expect([path, items.length]).toEqual([path, limit]);
    costs.push(sent() - before);
  }
  return Math.min(...costs);
}

describe('a page', () => {
  it.each([
    '/api/v1/appointments',
    '/api/v1/locations',
    '/api/v1/members',
    '/api/v1/patients',
    '/api/v1/patients/{patientId}/notes',
    '/api/v1/resources',
    '/api/v1/users',
  ])('of 50 takes no statement more than a page of one: %s', async (path) => {
    const one = await costOf(path, 1);
    expect([path, one > 0]).toEqual([path, true]);
    expect([path, await costOf(path, rows)]).toEqual([path, one]);
  });
});
