import { generateKeyPairSync } from 'node:crypto';
import pg from 'pg';
import { parseConfig } from '#infra/config';
import { createIdentity, identityConfig, identityJobs } from '#infra/identity';
import { newId, systemClock } from '#infra/kernel';
import { Catalogue, Nudge, Outbox } from '#infra/queues';
import { Quotas } from '#infra/quotas';
import { createLog, Metrics } from '#infra/telemetry';
import { CompiledProduct, findPort, isAlive, openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { RunningProgram, SteadyClients } from './running-program.js';

const password = 'nine-slow-lighthouses';
const listening = 'app.listening';
const shard = 'shard-1';

let databases: TestDatabases;
let product: CompiledProduct;
let api: RunningProgram;
let token: string;
let signingKey: string;

beforeAll(async () => {
  signingKey = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  databases = await openTestDatabases();
  product = new CompiledProduct('apps', 'libs', 'migrations');
  api = await startApi({ WEB_CONCURRENCY: '4' });
  token = await loginAsOwner();
}, 180_000);
afterAll(async () => {
  await api?.remove();
  product?.remove();
  await databases.close();
});

async function startApi(env: Readonly<Record<string, string>>): Promise<RunningProgram> {
  const port = await findPort('the API', [], () => undefined);
  const settings = {
    ...databases.env,
    LOG_LEVEL: 'info',
    TOKEN_SIGNING_KEY: signingKey,
    HTTP_HOST: '127.0.0.1',
    HTTP_PORT: String(port),
    ENABLE_RATE_LIMITING: 'false',
    DRAIN_WAIT: '500',
    ...env,
  };
  return new RunningProgram(product.program('apps/api/src/main.ts'), settings, port);
}

async function loginAsOwner(): Promise<string> {
  const ctx = await databases.newTenant({ plan: 'ENTERPRISE', shardId: shard });
  const { slug } = await databases.sharding.tenants.byId(ctx.tenant.id);
  const email = 'owner@harbor.example';
  const { sharding, crypto, audit, redis, rootKey: root } = databases;
  const log = createLog({ level: 'silent', service: 'test' }, { app: 'test' });
  const outbox = new Outbox(new Catalogue({ jobs: identityJobs }), new Nudge(redis, log), systemClock);
  const { it: config } = parseConfig({ it: identityConfig }, { ...databases.env, TOKEN_SIGNING_KEY: signingKey });
  const [clock, metrics] = [systemClock, new Metrics()];
  const quotas = new Quotas({ sharding, clock, log, metrics });
  const parts = { config, clock, sharding, crypto, audit, outbox, root, metrics, quotas };
  await createIdentity(parts).users.createOwner(ctx, { email, displayName: 'Owner', password });
  await api.until(() => api.alive(listening).length === 4, 120_000);
  const answer = await send('POST', '/api/v1/auth/login', { tenant: slug, email, password });
  return ((await answer.json()) as { accessToken: string }).accessToken;
}

const send = (method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(`http://127.0.0.1:${api.port}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'idempotency-key': newId() }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

interface Sessions {
  readonly lost: string;
}

/** Sessions that PostgreSQL says ended otherwise than by their client's word. */
async function lostSessions(): Promise<number> {
  const sql = `select sessions_abandoned + sessions_fatal + sessions_killed as lost
                 from pg_stat_database where datname = current_database()`;
  const all = await Promise.all(
    ['directory', 'shard-1', 'shard-2'].map((name) => databases.asAdmin<Sessions>(name, sql)),
  );
  return all.flat().reduce((sum, { lost }) => sum + Number(lost), 0);
}

async function count(sql: string): Promise<number> {
  return Number((await databases.asAdmin<{ n: string }>(shard, `select count(*) n from ${sql}`))[0]?.n);
}

describe('the API as a crew', () => {
  it('[C-062] has 4 workers with WEB_CONCURRENCY=4, and a primary that serves nobody', async () => {
    expect(api.alive(listening)).toHaveLength(4);
    expect(new Set(api.pids(listening)).size).toBe(4);
    expect(api.pids(listening)).not.toContain(api.pid);
    const metrics = (await api.ask('/metrics')).body;
    expect(metrics).toContain('cluster_workers{state="serving"} 4');
    expect(metrics).toMatch(
      /^http_requests_total\{app="api",method="POST",route="\/api\/v1\/auth\/login",status="200"\} 1$/m,
    );
  });

  it('[D-011] is replaced worker by worker at SIGHUP while clients read from its databases, and no request fails', async () => {
    const before = api.alive(listening);
    const headers = { authorization: `Bearer ${token}` };
    const steady = new SteadyClients(api.port, '/api/v1/locations', { count: 6, pauseMs: 10, headers });
    api.signal('SIGHUP');
    await api.until(() => api.of('cluster.rolled').length === 1, 180_000).finally(() => steady.stop());
    expect(steady.failed).toEqual([]);
    expect(steady.answers.length).toBeGreaterThan(100);
    expect(before.filter(isAlive)).toEqual([]);
    expect(api.alive(listening)).toHaveLength(4);
  }, 240_000);

  it('[E-006] SIGTERM: queries that wait are answered, everything is written, and PostgreSQL loses no session', async () => {
    const lostBefore = await lostSessions();
    const replacedBefore = api.of('drain.announced').length;
    const lock = new pg.Client(databases.env.SHARD_1_URL);
    await lock.connect();
    await lock.query('begin');
    await lock.query('lock table location in access exclusive mode');
    const writes = Array.from({ length: 12 }, (_, n) =>
      send('POST', '/api/v1/locations', { name: `L${n}`, tz: 'UTC' }),
    );
    const waiting = `pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    expect(await waitUntil(async () => (await count(waiting)) >= 12, 10_000)).toBe(true);
    api.signal('SIGTERM');
    await api.until(() => api.of('drain.announced').length === 4 + replacedBefore);
    await lock.query('commit');
    await lock.end();
    expect((await Promise.all(writes)).map(({ status }) => status)).toEqual(Array(12).fill(201));
    expect(await api.exited).toEqual({ code: 0, signal: null });
    expect(api.alive(listening)).toEqual([]);
    expect(await count('location')).toBe(12);
    expect(api.words.filter((line) => /terminat|"log.level":"error"/.test(line))).toEqual([]);
    const sessions = `pg_stat_activity where application_name like '%:api%' and datname = current_database()`;
    expect(await waitUntil(async () => (await count(sessions)) === 0, 10_000)).toBe(true);
    expect(await lostSessions()).toBe(lostBefore);
  }, 60_000);
});
