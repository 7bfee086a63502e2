import { newId } from '#infra/kernel';
import { Api } from './house/api.js';
import { booking, makeSide, type Side, slotAt } from './house/world.js';

let api: Api;
let side: Side;
beforeAll(async () => {
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false' });
  side = await makeSide(api, 'shard-1');
}, 60_000);
afterAll(() => api?.stop());

const path = '/api/v1/appointments';
const post = (key: string, body: unknown) =>
  api.call({ method: 'POST', path, token: side.owner.token, headers: { 'idempotency-key': key }, body });
const visitsAt = async (start: string): Promise<{ id: string }[]> => {
  const query = { from: start, to: new Date(Date.parse(start) + 60_000).toISOString() };
  return (await api.must({ method: 'GET', path, query, token: side.owner.token })).json.data;
};

describe('fifty posts at once with one Idempotency-Key', () => {
  it('have one effect: each is answered with it or asked to come back, and nobody waits for a connection in vain', async () => {
    const key = newId();
    const start = slotAt(9, 0, '2027-04-01');
    const body = booking(side, start);
    const answers = await Promise.all(Array.from({ length: 50 }, () => post(key, body)));
    const booked = answers.filter(({ status }) => status === 201);
    const waiting = answers.filter(({ status }) => status !== 201);
    expect(booked.length).toBeGreaterThan(0);
    expect(new Set(booked.map(({ text }) => text)).size).toBe(1);
    expect(waiting.map(({ status, json }) => [status, json.code])).toEqual(
      waiting.map(() => [409, 'idempotency.in_progress']),
    );
    for (const { headers } of waiting) expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(await visitsAt(start)).toHaveLength(1);

    const again = await post(key, body);
    expect([again.status, again.text, again.headers['idempotency-replayed']]).toEqual([201, booked[0]?.text, 'true']);
    const other = await post(key, booking(side, slotAt(10, 0, '2027-04-01')));
    expect([other.status, other.json.code]).toEqual([422, 'idempotency.mismatch']);
    expect(await visitsAt(slotAt(10, 0, '2027-04-01'))).toEqual([]);
  });
});
