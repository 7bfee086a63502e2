import { randomBytes } from 'node:crypto';
import { createIdentity, identityJobs } from '#infra/identity';
import { systemClock, type TenantContext } from '#infra/kernel';
import { BullQueues, Catalogue, Nudge, Outbox } from '#infra/queues';
import { Quotas } from '#infra/quotas';
import { createLog, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { readSettings } from '../src/settings.js';
import { WorkerProcess } from '../src/worker.js';
import { FakeSmtpServer } from './fake-smtp-server.js';

const identityOfProcess = { app: 'worker', version: '0' };
const openForMs = 6_000;
const [toOpen, mailsAsked] = [10, 15];
const lines: string[] = [];
const log = createLog(
  { level: 'info', service: 'test' },
  { ...identityOfProcess, to: { write: (line: string) => void lines.push(line) } },
);

let databases: TestDatabases;
let server: FakeSmtpServer;
let worker: WorkerProcess;
let ctx: TenantContext;
let invite: (email: string) => Promise<unknown>;

beforeAll(async () => {
  databases = await openTestDatabases();
  await databases.redis.get('queues').flushdb();
  server = await FakeSmtpServer.start();
  const settings = readSettings({
    ...databases.env,
    SMTP_URL: `smtp://127.0.0.1:${server.port}`,
    MAIL_FROM: 'Praxis <no-reply@clinic.example>',
    // One mail after another, so that the eleventh begins when the tenth has failed.
    QUEUE_CONCURRENCY: '1',
    WORKER_PORT: '0',
    WORKER_HOST: '127.0.0.1',
    TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
    APP_URL: 'https://app.praxis.example',
  });
  const { sharding, crypto, audit, redis, rootKey: root } = databases;
  const [clock, metrics] = [systemClock, new Metrics()];
  const outbox = new Outbox(new Catalogue({ jobs: identityJobs }), new Nudge(redis, log), clock);
  const quotas = new Quotas({ sharding, clock, log, metrics });
  const config = settings.identity;
  const identity = createIdentity({ config, clock, sharding, crypto, audit, outbox, root, metrics, quotas });
  ctx = await databases.newTenant({ plan: 'ENTERPRISE' });
  invite = (email) => identity.invitations.invite(ctx, { email, roles: ['provider'] });
  worker = await WorkerProcess.start(settings, identityOfProcess, log, { mailOpenForMs: openForMs });
}, 60_000);
afterAll(async () => {
  await worker?.stop();
  await server?.stop();
  await databases?.close();
});

const ask = async (path: string) => (await fetch(`http://127.0.0.1:${worker.port}${path}`)).text();
const mailCheck = async () => JSON.parse(await ask('/health/ready'));
const breaker = async () => /^provider_breaker_open\{provider="smtp"\} (\d)$/m.exec(await ask('/metrics'))?.[1];
const said = (text: string) => lines.filter((line) => line.includes(text));
const outcomes = () =>
  databases.asAdmin<{ id: string; outcome: string | null }>(
    'directory',
    'select id, outcome from outbox where tenant_id = $1 order by id',
    [ctx.tenant.id],
  );

describe('a mail server that refuses everything', () => {
  it('is left alone after ten mails, which costs the others no attempt, and gets each of them once when it is back', async () => {
    expect(await mailCheck()).toMatchObject({ status: 'up', checks: { mail: { status: 'up' } } });
    server.answers = { 'MAIL FROM': '421 4.3.2 shutting down' };
    for (let n = 0; n < mailsAsked; n += 1) await invite(`person-${n}@clinic.example`);

    const putOff = () => new Set(said('job.postponed').map((line) => JSON.parse(line)['praxis.job_id'])).size;
    expect(await waitUntil(async () => putOff() >= mailsAsked - toOpen, 20_000)).toBe(true);
    expect([server.tried, server.mails.length, await breaker()]).toEqual([toOpen, 0, '1']);
    expect(await waitUntil(async () => (await mailCheck()).status === 'degraded', 3_000)).toBe(true);
    expect((await mailCheck()).checks.mail).toMatchObject({ status: 'down', code: 'mail.not_tried' });
    expect((await fetch(`http://127.0.0.1:${worker.port}/health/ready`)).status).toBe(200);

    server.answers = {};
    expect(await waitUntil(async () => (await outcomes()).every(({ outcome }) => outcome === 'done'), 40_000)).toBe(
      true,
    );
    const ids = server.mails.map(({ data }) => /^Message-ID: <(.+)@clinic\.example>\r$/m.exec(data)?.[1]);
    expect([...ids].sort()).toEqual((await outcomes()).map(({ id }) => id));
    expect(ids).toHaveLength(mailsAsked);
    expect(server.tried).toBe(toOpen + mailsAsked);
    expect([await breaker(), said('job.dead').length]).toEqual(['0', 0]);

    const queues = new BullQueues(databases.redis, log);
    const jobs = await Promise.all(ids.map((id) => queues.queue('notifications').getJob(id ?? '')));
    await queues.close();
    // An attempt for each mail that arrived, and one for each of the ten that failed.
    const attempts = jobs.map((job) => job?.attemptsMade ?? 0).sort();
    expect(attempts).toEqual([...Array(mailsAsked - toOpen).fill(1), ...Array(toOpen).fill(2)]);
    expect(await waitUntil(async () => (await mailCheck()).status === 'up', 3_000)).toBe(true);
  }, 90_000);
});
