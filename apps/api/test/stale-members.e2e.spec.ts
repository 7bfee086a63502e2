import { Users } from '#infra/identity';
import { newId, type TenantContext } from '#infra/kernel';
import { type Api, login, password } from './house/world.js';
import { OperationsWorld, within } from './operations-world.js';

let world: OperationsWorld;
/** On the shard that has a server of its own. */
let ctx: TenantContext;
let token = '';

beforeAll(async () => {
  world = await OperationsWorld.start();
  ctx = await world.db.newTenant({ shardId: 'shard-2' });
  const { slug } = await world.db.sharding.tenants.byId(ctx.tenant.id);
  const email = `owner@${slug}.example`;
  await world.app.get(Users).createOwner(ctx, { email, displayName: 'Owner', password });
  const client = { app: world.app, must: (one: Parameters<typeof world.call>[0]) => world.call(one) };
  token = (await login(client as Api, slug, email)).token;
}, 120_000);
afterAll(() => world?.stop(), 60_000);

const post = (path: string, body: object) => world.call({ method: 'POST', path: `/api/v1/${path}`, token, body });
const lookup = (idNumber: string) => post('members/lookup', { idScheme: 'generic', idNumber });

async function enrolled(): Promise<{ readonly id: string; readonly idNumber: string }> {
  const idNumber = `P${newId().replaceAll('-', '').slice(-16)}`;
  const name = { given: 'Kept', family: 'Member' };
  const membership = { from: '2020-01-01', tz: 'Africa/Johannesburg' };
  const { json } = await post('members', { name, idScheme: 'generic', idNumber, membership });
  return { id: json.id, idNumber };
}

async function recordedInDirectory(): Promise<number> {
  const sql = `select count(*)::int as n from audit_event where tenant_id = $1 and action = 'member.lookup'`;
  const [row] = await world.db.asAdmin<{ n: number }>('directory', sql, [ctx.tenant.id]);
  return row?.n ?? -1;
}

describe('With the shard of a member stopped', () => {
  it('[B-037] who is cached is found, marked STALE with its age, and on record; who is not, is 503, and so is a card’s verification', async () => {
    const graceS = 3_600;
    const [known, unknown] = [await enrolled(), await enrolled()];
    await post(`members/${known.id}/cards`, {});
    const { json: made } = await post(`optimized-cards/generate-data/${known.id}`, {});
    const scan = made.qr.payload as string;
    expect((await post('cards/verify', { scan })).json.result).toBe('valid');
    const fresh = async () => (await lookup(known.idNumber)).headers['x-cache'];
    expect(await within(10, async () => (await fresh()) === 'L1')).toBe(true);
    expect(await recordedInDirectory()).toBe(0);

    await world.cluster.servers[1]?.stop();
    const seen = await lookup(known.idNumber);
    expect([seen.status, seen.json?.id, seen.headers['x-cache']]).toEqual([200, known.id, 'STALE']);
    expect(Number(seen.headers.age)).toBeLessThanOrEqual(graceS);
    expect(await recordedInDirectory()).toBe(1);
    expect((await lookup(unknown.idNumber)).status).toBe(503);
    expect((await post('cards/verify', { scan })).status).toBe(503);
  }, 90_000);
});
