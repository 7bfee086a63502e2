import { newId } from '#infra/kernel';
import { waitUntil } from '#infra/testing';
import { Api } from './house/api.js';
import { makeSide, type Side } from './house/world.js';

const rows = 10_000;
const pageSize = 250;
const path = '/api/v1/locations';

let api: Api;
let side: Side;
beforeAll(async () => {
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false' });
  side = await makeSide(api, 'shard-1');
}, 60_000);
afterAll(() => api?.stop());

/** Past the API, because ten thousand of them are what matters here, and not how they came. */
const open = (ids: readonly string[]) =>
  api.db.asAdmin(
    'shard-1',
    `insert into location (tenant_id, id, name, tz, created_at, updated_at)
     select $1, id, 'Branch', 'Etc/UTC', now(), now() from unnest($2::uuid[]) as id`,
    [side.ctx.tenant.id, ids],
  );
const page = async (query: Record<string, string>) =>
  (await api.must({ method: 'GET', path, query: { limit: String(pageSize), ...query }, token: side.owner.token })).json;

describe('a list of ten thousand', () => {
  it('[E-033] [E-094] is walked by cursor while others are added: none of the first twice, none of them left out', async () => {
    const first = Array.from({ length: rows }, () => newId<string>());
    await open(first);
    // The replica answers lists, and was not told by a token what it has to have.
    const last = { page: String(rows / pageSize) };
    expect(await waitUntil(async () => (await page(last)).items.length === pageSize, 30_000)).toBe(true);
    const seen: string[] = [];
    let next: string | null = null;
    let pages = 0;
    do {
      const { items, next: cursor }: { items: { id: string }[]; next: string | null } = await page(
        next === null ? {} : { cursor: next },
      );
      seen.push(...items.map(({ id }) => id));
      next = cursor;
      pages += 1;
      // Some before the place of the walk, some after it.
      await open([crypto.randomUUID(), crypto.randomUUID(), newId<string>()]);
    } while (next !== null && pages < 2 * (rows / pageSize));
    expect(next).toBeNull();
    expect(new Set(seen).size).toBe(seen.length);
    const walked = new Set(seen);
    expect(first.filter((id) => !walked.has(id))).toEqual([]);

    const cursor = String((await page({})).next);
    const tampered = await api.call({
      method: 'GET',
      path,
      query: { cursor: `${cursor.slice(0, -4)}AAAA` },
      token: side.owner.token,
    });
    expect([tampered.status, tampered.json.code]).toEqual([400, 'cursor.invalid']);
  }, 60_000);
});
