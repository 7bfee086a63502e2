import { newId } from '#infra/kernel';
import { Databases } from '#infra/sharding';
import { waitUntil } from '#infra/testing';
import { addDays, type LocalDate } from '#infra/time';
import { type Answer, Api, booking, join, makeSide, type Side, slotAt } from './house/world.js';

const visits = '/api/v1/analytics/appointments';
const takings = '/api/v1/analytics/takings';
const march = { from: '2027-03-01', to: '2027-03-31' };
const marchOfTheBooks = { from: '2026-03-01', to: '2026-03-31' };

let api: Api;
let side: Side;
let databases: Databases;

beforeAll(async () => {
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false' });
  side = await makeSide(api, 'shard-1');
  databases = api.app.get(Databases);
}, 90_000);
afterAll(() => api?.stop());

const ask = (
  path: string,
  query: Record<string, string>,
  more: { token?: string; headers?: Record<string, string> } = {},
) => api.call({ method: 'GET', path, query, token: side.owner.token, ...more });
const header = ({ headers }: Answer, name: string) => String(headers[name] ?? '');

describe('analytics', () => {
  it('[A-038] [C-091] may be kept for five minutes by whoever asked, and by nobody between', async () => {
    for (const [path, query] of [
      [visits, march],
      [takings, marchOfTheBooks],
    ] as const) {
      const answer = await ask(path, query);
      expect([answer.status, header(answer, 'cache-control')]).toEqual([200, 'private, max-age=300']);
      expect(header(answer, 'vary')).toContain('Authorization');
      expect(JSON.stringify(answer.headers)).not.toContain('public');
      expect(header(answer, 'etag')).toMatch(/^W\/"[\w-]+"$/);
      const again = await ask(path, query, { headers: { 'if-none-match': header(answer, 'etag') } });
      expect([again.status, again.text, header(again, 'cache-control')]).toEqual([304, '', 'private, max-age=300']);
      const refused = await ask(path, { ...query, to: '2029-01-01' });
      expect([refused.status, header(refused, 'cache-control')]).toEqual([422, 'no-store']);
    }
  });

  it('count visits and add up records, by day', async () => {
    const { serviceId, locationId, sourceIds } = side;
    const booked = { visits: { booked: 1, cancelled: 0 }, bookedMin: 30 };
    const counted = { ...march, days: [{ date: '2027-03-02', ...booked }], services: [{ serviceId, ...booked }] };
    const shouted = { ...march, locationId: locationId.toUpperCase() };
    for (const query of [march, { ...march, locationId }, shouted])
      expect((await ask(visits, query)).json).toEqual(counted);
    const taken = (date: string, amountMinor: number) => ({ date, records: 1, sum: { amountMinor, currency: 'USD' } });
    const left = {
      ...{ sourceId: sourceIds.left, kind: 'pos' },
      days: [taken('2026-03-01', 12_000), taken('2026-03-02', 9_950)],
    };
    const right = { sourceId: sourceIds.right, kind: 'pos', days: [taken('2026-03-01', 12_000)] };
    expect((await ask(takings, marchOfTheBooks)).json).toEqual({ ...marchOfTheBooks, sources: [left, right] });
    const one = await ask(takings, { ...marchOfTheBooks, sourceId: sourceIds.right });
    expect(one.json).toEqual({ ...marchOfTheBooks, sources: [right] });
  });

  it('are for owners, admins and billing', async () => {
    const statusFor = async (role: 'admin' | 'billing' | 'provider' | 'front_desk') => {
      const { token } = await join(api, side.ctx, side.slug, [role]);
      return (await ask(visits, march, { token })).status;
    };
    expect([await statusFor('admin'), await statusFor('billing')]).toEqual([200, 200]);
    expect([await statusFor('provider'), await statusFor('front_desk')]).toEqual([403, 403]);
  });

  it('show a booking at once to whoever brings its token; an answer kept meanwhile says how old it is', async () => {
    const april = { from: '2027-04-01', to: '2027-04-30' };
    expect(header(await ask(visits, april), 'x-cache')).toBe('MISS');
    const kept = await ask(visits, april);
    expect([header(kept, 'x-cache'), kept.json.days]).toEqual(['L1', []]);
    expect(header(kept, 'age')).toMatch(/^\d+$/);
    const made = await api.must({
      ...{ method: 'POST', path: '/api/v1/appointments', token: side.owner.token },
      headers: { 'idempotency-key': newId() },
      body: booking(side, slotAt(9, 0, '2027-04-06')),
    });
    const knowing = { headers: { 'x-consistency-token': header(made, 'x-consistency-token') } };
    const seen = await ask(visits, april, knowing);
    expect([header(seen, 'x-cache'), seen.json.days.length]).toEqual(['MISS', 1]);
    expect(header(await ask(visits, april, knowing), 'x-cache')).toBe('L1');
  });

  it('[E-062] leave the primaries alone: of the statements of eighty uncached questions, at least 80 in 100 go to a replica', async () => {
    const { token } = await join(api, side.ctx, side.slug, ['billing']);
    const counts = () => {
      const [first, second] = [databases.shard('shard-1'), databases.shard('shard-2')];
      const sumOf = (pools: readonly { queries(): { queryCount: number } }[]) =>
        pools.reduce((sum, pool) => sum + pool.queries().queryCount, 0);
      return {
        onReplicas: sumOf(first.replicas),
        onPrimaries: sumOf([first.primary, second.primary, databases.directory.primary]),
      };
    };
    let from = '2027-05-01' as LocalDate;
    const askEighty = async () => {
      const before = counts();
      for (let n = 0; n < 40; n += 1) {
        from = addDays(from, 1);
        for (const path of [visits, takings])
          expect((await ask(path, { from, to: addDays(from, 30) }, { token })).headers['x-cache']).toBe('MISS');
      }
      const after = counts();
      const [replicas, primaries] = [after.onReplicas - before.onReplicas, after.onPrimaries - before.onPrimaries];
      return replicas >= 80 * 3 && replicas / (replicas + primaries) >= 0.8;
    };
    // The replica is that of all specs of a run, and another one may hold it back for a while.
    expect(await waitUntil(askEighty, 40_000)).toBe(true);
  }, 60_000);
});
