import { newId, systemClock, toDate } from '#infra/kernel';
import { waitUntil } from '#infra/testing';
import type { RunningProcess } from './running-process.js';
import { type Login, RunningProduct, tokenLifeMs } from './running-product.js';

const dayMs = 86_400_000;

let product: RunningProduct;
let harbour: Login;
let northside: Login;
let visit: (hour: number) => object;
/** Listens from the first test to the last, on a gateway that nobody kills. */
let steady: RunningProcess;

beforeAll(async () => {
  product = await RunningProduct.start();
  [harbour, northside] = [await product.newTenant(), await product.newTenant()];
  steady = await ready(product.listen(northside, { gateway: 'gateway-2' }));
  visit = await openClinic(await product.token(harbour));
}, 120_000);
afterAll(() => product?.stop());

async function ready(listener: RunningProcess): Promise<RunningProcess> {
  await listener.until(() => listener.err.some((line) => line.startsWith('listening')));
  return listener;
}
const facts = (listener: RunningProcess) => listener.out.map((line) => JSON.parse(line));
const seqs = (listener: RunningProcess): number[] => facts(listener).map(({ seq }) => seq);

/** Each call logs in: tokens live a minute here. */
async function enrol(login: Login): Promise<string> {
  const body = {
    name: { given: 'Zebulon', family: 'Quirkheim' },
    idScheme: 'generic',
    idNumber: `P${newId().replaceAll('-', '').slice(-16)}`,
    membership: { from: '2026-01-01', tz: 'Africa/Johannesburg' },
  };
  return (await product.ask('members', { token: await product.token(login), body })).id;
}

/** A place, a service and somebody who gives it; visits to book there, one an hour. */
async function openClinic(token: string): Promise<typeof visit> {
  const make = (path: string, body: object) => product.ask(path, { token, body });
  const location = await make('locations', { name: 'Main', tz: 'UTC' });
  const segments = [{ kind: 'provider', offsetMin: 0, durationMin: 30 }];
  const service = await make('services', { name: 'Visit', durationMin: 30, segments, horizonDays: 365 });
  const provider = await make('resources', { locationId: location.id, kind: 'provider', name: 'Ada' });
  const own = `resources/${provider.id}`;
  await product.ask(`${own}/services/${service.id}`, { method: 'PUT', token });
  const days = [1, 2, 3, 4, 5, 6, 7].map((weekday) => ({ weekday, opens: '00:00', closes: '24:00' }));
  const schedules = [{ validFrom: '2020-01-01', validTo: null, rules: days }];
  const ifMatch = (await product.send(`${own}/schedule`, { token })).headers.get('etag') ?? '';
  await product.ask(`${own}/schedule`, { method: 'PUT', token, ifMatch, body: { schedules } });
  const day = toDate(systemClock.now() + 7 * dayMs)
    .toISOString()
    .slice(0, 10);
  return (hour) => ({
    serviceId: service.id,
    locationId: location.id,
    providerId: provider.id,
    start: `${day}T${String(hour).padStart(2, '0')}:00:00Z`,
    client: { name: 'Zebulon Quirkheim', phone: '+1 999 555 0173' },
  });
}

describe('praxis listen', () => {
  it('prints a booking as one line of JSON, and what happens to the connection elsewhere', async () => {
    const listener = await ready(product.listen(harbour));
    const booked = await product.ask('appointments', { token: await product.token(harbour), body: visit(9) });
    await listener.until(() => listener.out.length > 0);
    await enrol(harbour);
    await listener.until(() => listener.out.length > 1);
    expect(listener.out).toHaveLength(2);
    expect(facts(listener)[0]).toEqual({
      seq: expect.any(Number),
      name: 'appointment.booked',
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      payload: { appointmentId: booked.id, locationId: booked.locationId, version: 1 },
    });
    expect(listener.err).toEqual([expect.stringMatching(/^listening from \d+ on$/)]);
  });

  it('hears its own tenant alone', async () => {
    const [own, other] = [
      await ready(product.listen(harbour)),
      await ready(product.listen(northside, { gateway: 'gateway-2' })),
    ];
    const theirs = await enrol(northside);
    await other.until(() => other.out.length === 1);
    const ours = await enrol(harbour);
    await own.until(() => own.out.length > 0);
    expect(facts(own).map(({ payload }) => payload.memberId)).toEqual([ours]);
    expect(facts(other).map(({ payload }) => payload.memberId)).toEqual([theirs]);
  });

  it('goes on without a gap and without a duplicate where its gateway is killed and started again', async () => {
    const listener = await ready(product.listen(harbour));
    for (let n = 0; n < 3; n += 1) await enrol(harbour);
    await listener.until(() => listener.out.length === 3);
    for (let round = 0; round < 2; round += 1) {
      await product.kill('gateway-1');
      await listener.until(() => listener.err.some((line) => line.startsWith('connection lost')));
      for (let n = 0; n < 5; n += 1) await enrol(harbour);
      const back = product.restart('gateway-1');
      for (let n = 0; n < 5; n += 1) await enrol(harbour);
      await back;
      await listener.until(() => listener.out.length >= 3 + 10 * (round + 1));
    }
    await enrol(harbour);
    await listener.until(() => listener.out.length >= 24);
    const [first = 0] = seqs(listener);
    expect(seqs(listener)).toEqual(Array.from({ length: 24 }, (_, n) => first + n));
    expect(listener.err.filter((line) => line.startsWith('listening again, nothing missed'))).toHaveLength(2);
    expect(listener.err.join()).not.toContain('left out');
  }, 120_000);

  it('logs in anew where somebody ended its session, and goes on where it was', async () => {
    const listener = await ready(product.listen(harbour));
    await enrol(harbour);
    await listener.until(() => listener.out.length === 1);
    await endOtherSessions(harbour);
    await listener.until(() => listener.err.some((line) => line.startsWith('socket.session_ended')));
    await enrol(harbour);
    await listener.until(() => listener.out.length === 2);
    const [first = 0] = seqs(listener);
    expect(seqs(listener)).toEqual([first, first + 1]);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('ends at once on %s with 0, and its session with it', async (signal) => {
    const listener = await ready(product.listen(harbour));
    const before = await openSessions(harbour);
    expect(await listener.end(signal)).toEqual({ code: 0, signal: null });
    expect(await waitUntil(async () => (await openSessions(harbour)) === before - 1, 20_000)).toBe(true);
    expect(listener.err).toEqual([expect.stringMatching(/^listening from/)]);
  });

  it('ends with 0 where nobody reads its lines any more', async () => {
    const listener = await ready(product.listen(harbour));
    listener.closeOut();
    await enrol(harbour);
    await enrol(harbour);
    expect(await listener.exited).toEqual({ code: 0, signal: null });
  });

  it('says in one sentence that the password is wrong, and not which it was', async () => {
    const listener = product.listen(harbour, { password: 'eight-lamps-at-the-harbour' });
    expect(await listener.exited).toEqual({ code: 1, signal: null });
    expect(listener.out).toEqual([]);
    expect(listener.err).toEqual([expect.stringMatching(/credentials|password|e-?mail/i)]);
    expect(listener.err.join()).not.toContain('eight-lamps');
  });

  it('says that nobody answers where no API is', async () => {
    const listener = product.listen(harbour, { api: 'http://127.0.0.1:9' });
    expect(await listener.exited).toEqual({ code: 1, signal: null });
    expect(listener.err).toEqual([expect.stringContaining('http://127.0.0.1:9 does not answer')]);
  });

  it('renews its token in time, on the connection that it has', async () => {
    const renewed = () => product.metric('gateway-2', 'socket_commands_total{command="reauthenticate",result="ok"}');
    await steady.until(async () => (await renewed()) >= 1, tokenLifeMs);
    const memberId = await enrol(northside);
    await steady.until(() => facts(steady).some(({ payload }) => payload.memberId === memberId));
    expect(steady.err).toEqual([expect.stringMatching(/^listening from \d+ on$/)]);
    const [first = 0] = seqs(steady);
    expect(seqs(steady)).toEqual(seqs(steady).map((_, n) => first + n));
  }, 90_000);

  it('writes no secret and nobody’s name, on either stream', () => {
    const written = product.written().join('\n');
    expect(written.length).toBeGreaterThan(1_000);
    for (const secret of [/eyJ[\w-]+\./, /nine-lamps/, /Quirkheim/i, /Zebulon/i, /refresh/i])
      expect(written).not.toMatch(secret);
  });
});

const openOnes = `tenant_id = (select id from tenant where slug = $1) and revoked_at is null`;

async function openSessions({ tenant }: Login): Promise<number> {
  const sql = `select count(*)::int as n from user_session where ${openOnes}`;
  const [row] = await product.databases.asAdmin<{ n: number }>('directory', sql, [tenant]);
  return row!.n;
}

/** As a person does who sees a login that is not theirs. */
async function endOtherSessions(login: Login): Promise<void> {
  const token = await product.token(login);
  const { data: items } = await product.ask('sessions', { token });
  for (const { id, current } of items) if (!current) await product.ask(`sessions/${id}`, { method: 'DELETE', token });
}
