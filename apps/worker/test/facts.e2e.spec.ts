import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appointmentFacts } from '#domain/appointments';
import { memberFacts } from '#domain/members';
import { patientFacts } from '#domain/patients';
import { newId, systemClock, type TenantContext, toDate } from '#infra/kernel';
import { Catalogue, Nudge, Outbox, type OutboxEntry, type PublishedFact } from '#infra/queues';
import { FactFeed, FactLog } from '#infra/realtime';
import { createLog, type Log, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { readSettings, type Settings } from '../src/settings.js';
import { WorkerProcess } from '../src/worker.js';

const identityOfProcess = { app: 'worker', version: '0' };
const hourMs = 3_600_000;
const soonMs = 20_000;
const facts = [...appointmentFacts, ...memberFacts, ...patientFacts];

let databases: TestDatabases;
let home: string;
let settings: Settings;
let log: Log;
let outbox: Outbox;
let feed: FactFeed;
const workers: WorkerProcess[] = [];
beforeAll(async () => {
  databases = await openTestDatabases();
  home = await mkdtemp(join(tmpdir(), 'praxis-worker-'));
  settings = readSettings({
    ...databases.env,
    MAIL_FOLDER: join(home, 'mails'),
    WORKER_PORT: '0',
    WORKER_HOST: '127.0.0.1',
    TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
    APP_URL: 'https://app.praxis.example',
  });
  log = createLog({ level: 'error', service: 'test' }, identityOfProcess);
  const { sharding, redis } = databases;
  const catalogue = new Catalogue({ facts });
  const metrics = new Metrics();
  outbox = new Outbox(catalogue, new Nudge(redis, log), systemClock);
  feed = new FactFeed({ redis, log, metrics, facts: new FactLog({ redis, sharding, catalogue, log, metrics }) });
});
beforeEach(async () => {
  await databases.redis.get('queues').flushdb();
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
});
afterAll(async () => {
  await feed.close();
  await databases.close();
  await rm(home, { recursive: true });
});

async function start(): Promise<WorkerProcess> {
  const worker = await WorkerProcess.start(settings, identityOfProcess, log);
  workers.push(worker);
  return worker;
}
const tell = (ctx: TenantContext, ...entries: readonly OutboxEntry[]) =>
  databases.sharding.write(ctx, async (tx) => {
    for (const entry of entries) await outbox.append(tx, entry);
  });
const [booked] = appointmentFacts;
const [enrolled] = memberFacts;
const [created] = patientFacts;

describe('a worker', () => {
  it('carries the facts of every domain to whoever follows their tenant, with their permissions and rooms', async () => {
    const ctx = await databases.newTenant({ shardId: 'shard-2' });
    const [appointmentId, locationId, memberId, patientId] = [newId(), newId(), newId(), newId()];
    const told: PublishedFact[] = [];
    await feed.follow(ctx, (fact) => void told.push(fact));
    await tell(ctx, booked.entry('k', { appointmentId, locationId, version: 1 }));
    await start();
    expect(await waitUntil(async () => told.length === 1, soonMs)).toBe(true);
    await tell(ctx, enrolled.entry('k', { memberId, version: 1 }), created.entry('k', { patientId, version: 1 }));
    expect(await waitUntil(async () => told.length === 3, soonMs)).toBe(true);
    const words = told.map(({ seq, name, permission, rooms, payload }) => ({ seq, name, permission, rooms, payload }));
    expect(words).toEqual([
      {
        seq: 1,
        name: 'appointment.booked',
        permission: 'appointments.read',
        rooms: [
          { of: 'location', id: locationId },
          { of: 'appointment', id: appointmentId },
        ],
        payload: { appointmentId, locationId, version: 1 },
      },
      {
        seq: 2,
        name: 'member.enrolled',
        permission: 'members.read',
        rooms: [{ of: 'tenant' }],
        payload: { memberId, version: 1 },
      },
      {
        seq: 3,
        name: 'patient.created',
        permission: 'patients.read',
        rooms: [{ of: 'tenant' }],
        payload: { patientId, version: 1 },
      },
    ]);
  });

  it('leaves nothing out and nothing double when others take over from one that stops', async () => {
    const ctx = await databases.newTenant({ shardId: 'shard-1' });
    const told: number[] = [];
    await feed.follow(ctx, ({ seq }) => void told.push(seq));
    const [leaving] = await Promise.all([start(), start()]);
    for (let n = 1; n <= 60; n += 1) {
      await tell(ctx, created.entry('k', { patientId: newId(), version: n }));
      if (n === 30) await leaving.stop();
    }
    expect(await waitUntil(async () => told.length >= 60, soonMs)).toBe(true);
    expect(told).toEqual(Array.from({ length: 60 }, (_, n) => n + 1));
  });

  it('forgets facts a day after they were published, and no others', async () => {
    const ctx = await databases.newTenant({ shardId: 'shard-2' });
    const now = systemClock.now();
    const [dayAgo, hourAgo] = [toDate(now - 25 * hourMs), toDate(now - hourMs)];
    for (const [name, published] of [
      ['patient.created', dayAgo],
      ['patient.created', hourAgo],
      ['patient.dreamt', null],
    ] as const)
      await databases.asAdmin(
        'shard-2',
        `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at, published_at, seq)
         select $1, gen_random_uuid(), 'fact', $2, 'k', '{}', 'r', $3::timestamptz, $3::timestamptz, $4::timestamptz,
                case when $4::timestamptz is not null then (select count(*) + 1 from outbox where tenant_id = $1) end`,
        [ctx.tenant.id, name, dayAgo, published],
      );
    const left = () =>
      databases.asAdmin<{ name: string; seq: string | null }>(
        'shard-2',
        'select name, seq from outbox where tenant_id = $1 order by seq nulls last',
        [ctx.tenant.id],
      );
    await start();
    expect(await waitUntil(async () => (await left()).length < 3, soonMs)).toBe(true);
    expect(await left()).toEqual([
      { name: 'patient.created', seq: '2' },
      { name: 'patient.dreamt', seq: null },
    ]);
  });
});
