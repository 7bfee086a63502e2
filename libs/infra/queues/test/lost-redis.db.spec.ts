import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'bullmq';
import { newId, type TenantContext } from '#infra/kernel';
import { findPort, projectRoot, RedisCluster, RedisServer, stackHome, waitUntil } from '#infra/testing';
import { onNudge } from '../src/nudge.js';
import { relayBatch } from '../src/relay.js';
import { QueueRig, wash } from './queue-rig.js';

const name = 'notifications';
/** Longer than Redis may take to write its log to the disk, by `appendfsync everysec`. */
const writtenMs = 1_500;

async function relayAll(rig: QueueRig): Promise<void> {
  while ((await rig.relay.pass()) === relayBatch);
}

/** As the relay of a worker does, with a clock that runs faster: a job that Redis lost is sent again. */
async function relayUntilFinished(rig: QueueRig, ctx: TenantContext): Promise<void> {
  const finished = async () => {
    rig.clock.advance(5_000);
    await rig.relay.pass();
    return (await rig.rows(ctx)).every(({ outcome }) => outcome === 'done');
  };
  if (!(await waitUntil(finished, 120_000))) throw new Error('jobs are still unfinished');
}

describe('queues on a Redis Cluster', () => {
  let cluster: RedisCluster;
  let rig: QueueRig;
  let ctx: TenantContext;
  beforeAll(async () => {
    cluster = await RedisCluster.startTemporary();
    rig = await QueueRig.open(cluster.env);
  }, 60_000);
  beforeEach(async () => {
    ctx = await rig.databases.newTenant();
  });
  afterEach(() => rig.rest());
  afterAll(async () => {
    await rig.close();
    await cluster.stop();
  });

  it('[D-083] do 5,000 jobs, each once, and lose none', async () => {
    const data = { tenantId: ctx.tenant.id, requestId: ctx.requestId, place: 'shard' } as const;
    const jobs = Array.from({ length: 5_000 }, () => ({ id: newId(), definition: wash, data }));
    for (let n = 0; n < jobs.length; n += 500) await rig.queues.add(name, jobs.slice(n, n + 500));
    const done: string[] = [];
    const options = { ...rig.queues.workerOptions(name, 50), autorun: true };
    const worker = new Worker(name, async ({ id }) => void done.push(id ?? ''), options);
    await waitUntil(() => done.length >= jobs.length, 25_000);
    await worker.close();
    expect(done.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
    const queue = rig.queues.queue(name);
    expect(await queue.getJobCountByTypes('wait', 'prioritized', 'active', 'delayed', 'failed')).toBe(0);
  });

  it('keep schedules, and wake the relay of another process', async () => {
    const runs: string[] = [];
    const schedule = { name: 'thing.count', everyMs: 100, timeoutMs: 1_000, run: async () => void runs.push(name) };
    await rig.work(rig.washing, { schedules: [schedule] });
    expect(await waitUntil(() => runs.length >= 3, 10_000)).toBe(true);
    const woken: string[] = [];
    const stop = await onNudge(rig.databases.redis, { job: () => void woken.push('job') });
    await rig.ask(ctx);
    expect(await waitUntil(() => woken.length > 0, 5_000)).toBe(true);
    stop();
  });

  it('lose nothing when the primary that holds them is killed', async () => {
    await rig.work(rig.washing);
    await rig.ask(ctx, wash, 200);
    await relayAll(rig);
    await cluster.kill(await cluster.primaryOf(`{bull:${name}}`));
    await rig.ask(ctx, wash, 100);
    await relayUntilFinished(rig, ctx);
    expect(await rig.rows(ctx)).toHaveLength(300);
    expect(await rig.rows(ctx, 'fact')).toHaveLength(300);
  }, 150_000);
});

describe('the Redis of the queues, with deploy/redis/durable.conf', () => {
  const folder = mkdtempSync(join(tmpdir(), 'praxis-redis-queue-'));
  const dataDir = join(folder, 'redis');
  let port: number;
  let server: RedisServer;
  let rig: QueueRig;

  const start = () =>
    RedisServer.start({
      binariesHome: stackHome(),
      dataDir,
      port,
      password: '',
      durability: 'durable',
      settings: readFileSync(join(projectRoot(), 'deploy/redis/durable.conf'), 'utf8'),
      note: () => undefined,
    });
  beforeAll(async () => {
    chmodSync(folder, 0o711);
    port = await findPort('Redis', [], () => undefined);
    server = await start();
    rig = await QueueRig.open({ REDIS_QUEUE_URL: server.url });
  });
  afterEach(() => rig.rest());
  afterAll(async () => {
    await rig.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const log = (): string => {
    const logs = readdirSync(join(dataDir, 'appendonlydir')).filter((file) => file.endsWith('.incr.aof'));
    return join(dataDir, 'appendonlydir', logs[0] ?? '');
  };

  it('[D-084] killed, has lost the jobs of the last second at most; the outbox sends them again, and all are done', async () => {
    const ctx = await rig.databases.newTenant();
    await rig.ask(ctx, wash, 200);
    await relayAll(rig);
    await pause(writtenMs);
    const written = statSync(log()).size;
    await rig.ask(ctx, wash, 100);
    await relayAll(rig);
    await server.kill();
    // The process alone loses nothing that it has handed to the system; a power cut takes what is not on the disk yet.
    truncateSync(log(), written);
    server = await start();
    const known = async () => rig.queues.queue(name).getJobCountByTypes('prioritized', 'wait');
    expect(await known()).toBe(200);
    await rig.work(rig.washing);
    await relayUntilFinished(rig, ctx);
    expect(await rig.rows(ctx)).toHaveLength(300);
    expect(await rig.rows(ctx, 'fact')).toHaveLength(300);
  }, 150_000);
});
