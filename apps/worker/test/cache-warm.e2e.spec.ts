import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appointmentJobs, CatalogueService } from '#domain/appointments';
import { forgetMember, type MemberId, memberJobs } from '#domain/members';
import { Cache, cacheConfig, Warmth } from '#infra/cache';
import { parseConfig } from '#infra/config';
import { newId, systemClock, type TenantContext } from '#infra/kernel';
import { Catalogue, Nudge, Outbox } from '#infra/queues';
import { Quotas } from '#infra/quotas';
import { createLog, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { readSettings } from '../src/settings.js';
import { WorkerProcess } from '../src/worker.js';

const identity = { app: 'worker', version: '0' };
let db: TestDatabases;
let ctx: TenantContext;
let home: string;
let worker: WorkerProcess;
let cache: Cache;
const lines: string[] = [];
const log = createLog(
  { level: 'info', service: 'test' },
  { ...identity, to: { write: (line) => void lines.push(line) } },
);

beforeAll(async () => {
  db = await openTestDatabases();
  ctx = await db.newTenant();
  await db.redis.get('queues').flushdb();
  home = await mkdtemp(join(tmpdir(), 'praxis-warm-'));
  const settings = readSettings({
    ...db.env,
    MAIL_FOLDER: join(home, 'mails'),
    WORKER_PORT: '0',
    WORKER_HOST: '127.0.0.1',
    TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
    APP_URL: 'https://app.praxis.example',
  });
  worker = await WorkerProcess.start(settings, identity, log);
  const { cache: config } = parseConfig({ cache: cacheConfig }, db.env);
  const { redis, crypto, audit } = db;
  cache = new Cache({ config, redis, crypto, audit, log, metrics: new Metrics(), clock: systemClock });
  cache.onModuleInit();
  await waitUntil(() => cache.hears, 10_000);
}, 60_000);
afterAll(async () => {
  cache?.beforeApplicationShutdown();
  await worker?.stop();
  await db?.close();
  await rm(home, { recursive: true });
});

const warmedLines = () => lines.filter((line) => line.includes('cache.warmed')).length;

describe('the schedule that warms the cache', () => {
  it('[A-029] stands in Redis as `cache-warm`, hourly; has run when the worker began; and loads nothing while half a pool is in use', async () => {
    expect(await waitUntil(() => warmedLines() === 1, 20_000)).toBe(true);
    const queues = db.redis.get('queues');
    const [scheduler = ''] = (await queues.keys('*:repeat:cache-warm')).filter((key) => key.endsWith('cache-warm'));
    expect(await queues.hgetall(scheduler)).toMatchObject({ name: 'cache-warm', every: '3600000' });

    const warmth = new Warmth({ cache, sharding: db.sharding, redis: db.redis, atStart: false });
    const read = (of: TenantContext, name: string) => cache.read(of, 'analytics', name, async () => name);
    cache.warming.prepare({ strategy: 'analytics', prefix: 'report:', read });
    await read(ctx, 'report:1');
    await cache.flushAccesses();
    const { shardId } = await db.sharding.tenants.byId(ctx.tenant.id);
    const max = db.sharding.poolCounts()[shardId]?.primary.max ?? 0;
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const held = Array.from({ length: Math.floor(max / 2) + 1 }, () => db.sharding.read(ctx, () => gate));
    const inUse = () => {
      const { total = 0, idle = 0 } = db.sharding.poolCounts()[shardId]?.primary ?? {};
      return total - idle > max / 2;
    };
    expect(await waitUntil(inUse, 10_000)).toBe(true);
    expect(await warmth.hourly()).toMatchObject({ skipped: true, loaded: 0 });
    open();
    await Promise.all(held);
    expect(await warmth.hourly()).toMatchObject({ skipped: false, loaded: 1 });
  }, 60_000);
});

describe('a change of a member whose process did not live to say so', () => {
  it('is said by the worker, from the outbox of the change', async () => {
    const id = newId<MemberId>();
    const shown = (value: string) =>
      cache.getOrSet(ctx, 'memberData', `seen:${id}`, async () => value, { tags: () => [`member:${id}`] });
    expect(await shown('as it was')).toBe('as it was');
    const outbox = new Outbox(new Catalogue({ jobs: memberJobs }), new Nudge(db.redis, log), systemClock);
    await db.sharding.write(ctx, (tx) => outbox.append(tx, forgetMember.entry(id, { memberId: id })));
    expect(await waitUntil(async () => (await shown('as it is')) === 'as it is', 15_000)).toBe(true);
  }, 30_000);
});

describe('a change of a service whose process did not live to say so', () => {
  it('is said by the worker, from the outbox of the change', async () => {
    const { sharding, audit, redis } = db;
    const quotas = new Quotas({ sharding, clock: systemClock, log, metrics: new Metrics() });
    const outbox = new Outbox(new Catalogue({ jobs: appointmentJobs }), new Nudge(redis, log), systemClock);
    const through = (one: Pick<Cache, 'getOrSet' | 'forgetTag'>) =>
      new CatalogueService(sharding, audit, systemClock, quotas, one as Cache, outbox);
    const living = through(cache);
    const dying = through({
      getOrSet: (asker, _strategy, _name, load) => load(asker),
      forgetTag: async () => undefined,
    });
    const segments = [{ kind: 'provider', offsetMin: 0, durationMin: 30 }] as const;
    const times = {
      durationMin: 30,
      noticeMin: 0,
      horizonDays: 90,
      grid: { stepMin: 15, anchor: 'midnight' } as const,
    };
    const made = await living.createService(ctx, { name: 'Visit', segments, ...times });
    const name = async () => (await living.service({ ...ctx, ...db.newContext(), tenant: ctx.tenant }, made.id)).name;
    expect(await name()).toBe('Visit');
    await dying.changeService(ctx, made.id, made.version, { name: 'Long visit' });
    expect(await waitUntil(async () => (await name()) === 'Long visit', 15_000)).toBe(true);
  }, 30_000);
});
