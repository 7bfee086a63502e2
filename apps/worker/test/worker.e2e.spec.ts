import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, type Identity, identityJobs } from '#infra/identity';
import { newId, systemClock, type TenantContext, toDate } from '#infra/kernel';
import { Catalogue, Nudge, Outbox } from '#infra/queues';
import { Quotas } from '#infra/quotas';
import { createLog, type Log, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { readSettings, type Settings } from '../src/settings.js';
import { WorkerProcess } from '../src/worker.js';

const identityOfProcess = { app: 'worker', version: '0' };
const hourMs = 3_600_000;

let databases: TestDatabases;
let home: string;
let settings: Settings;
let identity: Identity;
const lines: string[] = [];
let log: Log;

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
  log = createLog(
    { level: 'info', service: 'test' },
    { ...identityOfProcess, to: { write: (line: string) => void lines.push(line) } },
  );
  const { sharding, crypto, audit, redis, rootKey: root } = databases;
  const outbox = new Outbox(new Catalogue({ jobs: identityJobs }), new Nudge(redis, log), systemClock);
  const config = settings.identity;
  const metrics = new Metrics();
  const clock = systemClock;
  const quotas = new Quotas({ sharding, clock, log, metrics });
  identity = createIdentity({ config, clock, sharding, crypto, audit, outbox, root, metrics, quotas });
});
beforeEach(async () => {
  await databases.redis.get('queues').flushdb();
  lines.length = 0;
});
afterAll(async () => {
  await databases.close();
  await rm(home, { recursive: true });
});

const start = () => WorkerProcess.start(settings, identityOfProcess, log);
const ask = async (worker: WorkerProcess, path: string) => {
  const response = await fetch(`http://127.0.0.1:${worker.port}${path}`);
  return { status: response.status, body: await response.text() };
};

async function mails(): Promise<string[]> {
  const folder = join(home, 'mails');
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.filter((name) => name.endsWith('.eml')).map((name) => readFile(join(folder, name), 'utf8')));
}

const mailTo = async (address: string) => (await mails()).filter((mail) => mail.includes(address));

async function jobs(ctx: TenantContext) {
  return databases.asAdmin<{ id: string; name: string; outcome: string | null }>(
    'directory',
    `select id, name, outcome from outbox where tenant_id = $1 order by id`,
    [ctx.tenant.id],
  );
}

async function invite(email: string): Promise<TenantContext> {
  const ctx = await databases.newTenant();
  await identity.invitations.invite(ctx, { email, roles: ['provider'] });
  return ctx;
}

describe('a worker', () => {
  it('mails an invitation, and the token in the mail opens the account', async () => {
    const worker = await start();
    const ctx = await invite('ada.lovelace@clinic.example');
    await waitUntil(async () => (await mailTo('ada.lovelace@clinic.example')).length > 0, 15_000);
    const [mail, ...others] = await mailTo('ada.lovelace@clinic.example');
    expect(others).toEqual([]);
    await waitUntil(async () => (await jobs(ctx))[0]?.outcome === 'done', 5_000);
    const text = mail!.replaceAll('=\r\n', '').replaceAll('=3D', '=');
    const token = /#token=(\S+)/.exec(text)?.[1] ?? '';
    const accepted = await identity.invitations.accept(databases.newContext(), {
      token,
      password: 'seven otters left early',
      displayName: 'Ada',
    });
    expect(accepted.tenant).toBe((await databases.sharding.tenants.byId(ctx.tenant.id)).slug);
    await worker.stop();
  });

  it('mails what was asked for while no worker ran, once, though two start at the same time', async () => {
    const ctx = await invite('grace.hopper@clinic.example');
    const workers = await Promise.all([start(), start()]);
    await waitUntil(async () => (await jobs(ctx))[0]?.outcome === 'done', 15_000);
    expect(await mailTo('grace.hopper@clinic.example')).toHaveLength(1);
    const sent = lines.filter((line) => line.includes('job.ended') && line.includes('"done"'));
    expect(sent).toHaveLength(1);
    await Promise.all(workers.map((worker) => worker.stop()));
  });

  it('sends no mail for an invitation that is no longer open', async () => {
    const ctx = await invite('mary.shelley@clinic.example');
    await databases.asAdmin('directory', 'update invitation set revoked_at = now() where tenant_id = $1', [
      ctx.tenant.id,
    ]);
    const worker = await start();
    await waitUntil(async () => (await jobs(ctx))[0]?.outcome === 'done', 15_000);
    expect(await mailTo('mary.shelley@clinic.example')).toEqual([]);
    await worker.stop();
  });

  it('keeps the address out of logs, metrics and Redis', async () => {
    const worker = await start();
    const ctx = await invite('ida.noddack@clinic.example');
    await waitUntil(async () => (await jobs(ctx))[0]?.outcome === 'done', 15_000);
    const { body } = await ask(worker, '/metrics');
    expect(body).toContain('job_duration_seconds_count{job="identity.send_invitation",outcome="success"} 1');
    const redis = databases.redis.get('queues');
    const kept: string[] = [];
    for (const key of await redis.keys('*'))
      if ((await redis.type(key)) === 'hash') kept.push(JSON.stringify(await redis.hgetall(key)));
    expect(kept.length).toBeGreaterThan(0);
    for (const text of [body, lines.join(''), kept.join('')]) expect(text).not.toMatch(/noddack/i);
    await worker.stop();
  });

  it('is ready only between its start and its drain, and ends within its time', async () => {
    const worker = await start();
    expect(await ask(worker, '/health/live')).toMatchObject({ status: 200 });
    expect(await ask(worker, '/health/ready')).toMatchObject({ status: 200 });
    expect(await ask(worker, '/health/startup')).toMatchObject({ status: 200 });
    expect(await ask(worker, '/api/v1/appointments')).toMatchObject({ status: 404 });
    const from = performance.now();
    const stopping = worker.stop();
    expect(await ask(worker, '/health/ready')).toMatchObject({ status: 503 });
    expect(await stopping).toBe(true);
    expect(performance.now() - from).toBeLessThan(25_000);
    await expect(ask(worker, '/health/live')).rejects.toThrow();
  });

  it('does not start on a schema that it does not know', async () => {
    await databases.asAdmin(
      'directory',
      `insert into migrations ("timestamp", name, phase) values (9999999999999, 'Later', 'contract')`,
    );
    await expect(start()).rejects.toMatchObject({ code: 'database.schema_outdated' });
    await databases.asAdmin('directory', `delete from migrations where name = 'Later'`);
  });

  it('forgets in batches what nobody needs any more, and nothing else', async () => {
    const ctx = await databases.newTenant({ shardId: 'shard-2' });
    const now = systemClock.now();
    const [past, later] = [toDate(now - 25 * hourMs), toDate(now + hourMs)];
    await databases.asAdmin(
      'shard-2',
      `insert into idempotency_key (tenant_id, id, actor_id, key, route, fingerprint, answer, created_at, expires_at)
       select $1, gen_random_uuid(), 'a', n::text, 'r', '', '', $2::timestamptz, case when n <= 2500 then $2::timestamptz else $3::timestamptz end
         from generate_series(1, 2510) n`,
      [ctx.tenant.id, past, later],
    );
    for (const outcome of ['done', 'dead', null])
      await databases.asAdmin(
        'shard-2',
        `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at, finished_at, outcome)
         values ($1, $2, 'job', 'thing.unknown', 'k', '{}', 'r', $3, $4, $5, $6)`,
        [ctx.tenant.id, newId(), past, later, outcome && past, outcome],
      );
    await databases.asAdmin(
      'shard-2',
      `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
       values ($1, $2, 'fact', 'thing.happened', 'k', '{}', 'r', $3, $3)`,
      [ctx.tenant.id, newId(), past],
    );
    await databases.sharding.write(ctx, (tx) => databases.audit.record(tx, { action: 'a.b', resourceType: 'a' }));
    const count = async (sql: string) =>
      Number((await databases.asAdmin<{ n: string }>('shard-2', `select count(*) n from ${sql}`))[0]!.n);
    const audited = await count('audit_event');

    const worker = await start();
    expect(await waitUntil(async () => (await count('idempotency_key')) === 10, 20_000)).toBe(true);
    expect(await waitUntil(async () => (await count(`outbox where outcome = 'done'`)) === 0, 20_000)).toBe(true);
    expect(await count(`outbox where tenant_id = '${ctx.tenant.id}'`)).toBe(3);
    expect(await count('audit_event')).toBe(audited);
    await worker.stop();
  });
});

describe('the settings of a worker', () => {
  const complete = () => ({ ...databases.env, TOKEN_SIGNING_KEY: randomBytes(32).toString('base64') });

  it('name exactly one way for mails to leave', () => {
    expect(() => readSettings(complete())).toThrow(/exactly one of SMTP_URL and MAIL_FOLDER/);
    const both = { ...complete(), SMTP_URL: 'smtp://mail.example', MAIL_FOLDER: '/tmp/mails' };
    expect(() => readSettings(both)).toThrow(/exactly one of SMTP_URL and MAIL_FOLDER/);
  });

  it('name a sender where mails really leave', () => {
    expect(() => readSettings({ ...complete(), SMTP_URL: 'smtp://mail.example' })).toThrow(/MAIL_FROM/);
  });
});
