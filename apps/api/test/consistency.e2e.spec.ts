import { Sharding } from '#infra/sharding';
import { waitUntil } from '#infra/testing';
import { Api, join, makeSide, type Person, type Side } from './house/world.js';

const patienceMs = 20_000;
const url = '/api/v1/locations';
let api: Api;
let side: Side;
let ann: Person;
let bob: Person;
beforeAll(async () => {
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false' });
  side = await makeSide(api, 'shard-1');
  ann = await join(api, side.ctx, side.slug, ['admin']);
  bob = await join(api, side.ctx, side.slug, ['admin']);
}, 60_000);
afterEach(() => api?.db.thawReplica());
afterAll(() => api?.stop());

const create = async (name: string) => {
  const headers = { authorization: `Bearer ${ann.token}` };
  const made = await api.app.inject({ method: 'POST', url, headers, payload: { name, tz: 'Etc/UTC' } });
  expect(made.statusCode).toBe(201);
  return String(made.headers['x-consistency-token']);
};
const listed = async (who: Person, token?: string) => {
  const headers = {
    authorization: `Bearer ${who.token}`,
    ...(token === undefined ? {} : { 'x-consistency-token': token }),
  };
  const answer = await api.app.inject({ method: 'GET', url, headers });
  expect(answer.statusCode).toBe(200);
  expect(answer.headers).not.toHaveProperty('x-consistency-token');
  return answer.body;
};

describe('the consistency token of a write', () => {
  it('lets another session read what was written, while the replica that would answer it stands in the past', async () => {
    const replica = () => api.app.get(Sharding).nodes.find(({ role }) => role === 'replica-1')?.replica;
    expect(await waitUntil(async () => replica()?.inRotation === true, patienceMs)).toBe(true);
    await api.db.freezeReplica();
    let token = '';
    let tries = 0;
    // A read that a busy machine keeps from the replica is answered by the primary.
    const isInThePast = await waitUntil(async () => {
      tries += 1;
      token = await create(`North Wing ${tries}`);
      return !(await listed(bob)).includes(`North Wing ${tries}`);
    }, patienceMs);
    expect(isInThePast).toBe(true);
    const newest = `North Wing ${tries}`;
    expect(await listed(bob, token)).toContain(newest);
    expect(await listed(bob, 'somebody made this up')).toContain(newest);
    expect(await listed(ann)).toContain(newest);
  }, 60_000);
});
