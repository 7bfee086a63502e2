import { UnrecoverableError, Worker } from 'bullmq';
import { newId, type TenantContext } from '#infra/kernel';
import { waitUntil } from '#infra/testing';
import { BullQueues } from '../src/bull-queues.js';
import { onNudge } from '../src/nudge.js';
import { relayBatch } from '../src/relay.js';
import { QueueRig, rescue, sweep, wash } from './queue-rig.js';

let rig: QueueRig;
let ctx: TenantContext;
beforeAll(async () => {
  rig = await QueueRig.open();
});
beforeEach(async () => {
  await rig.clear();
  ctx = await rig.databases.newTenant({ shardId: 'shard-2' });
});
afterEach(() => rig.rest());
afterAll(() => rig.close());

const queue = () => rig.queues.queue('notifications');
const known = async () => (await queue().getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed')) as number;

/** Ends the job in Redis as a worker of another kind would, its row untouched. */
async function failInRedis(reason: string): Promise<void> {
  const options = { ...rig.queues.workerOptions('notifications', 1), autorun: true };
  const worker = new Worker('notifications', () => Promise.reject(new UnrecoverableError(reason)), options);
  await waitUntil(async () => (await queue().getFailedCount()) > 0, 5_000);
  await worker.close();
}

describe('the outbox', () => {
  it('holds a job of a committed transaction, and the queue carries only where to look for it', async () => {
    const thingId = await rig.ask(ctx);
    expect(await rig.relay.pass()).toBe(1);
    const [row] = await rig.rows(ctx);
    const job = await queue().getJob(row!.id);
    expect(job).toMatchObject({
      name: 'thing.wash',
      data: { tenantId: ctx.tenant.id, requestId: ctx.requestId, place: 'shard' },
      opts: { attempts: 5, priority: 10 },
    });
    expect(JSON.stringify(job)).not.toContain(thingId);
  });

  it('holds nothing of a transaction that was rolled back', async () => {
    const failed = rig.databases.sharding.write(ctx, async (tx) => {
      await rig.outbox.append(tx, wash.entry('k', { thingId: newId() }));
      throw new Error('the cause failed');
    });
    await expect(failed).rejects.toThrow('the cause failed');
    expect(await rig.rows(ctx)).toEqual([]);
    expect(await rig.relay.pass()).toBe(0);
  });

  it('fails the transaction whose entry is not in the catalogue', async () => {
    const failed = rig.databases.sharding.write(ctx, async (tx) => {
      await rig.outbox.append(tx, wash.entry('kept', { thingId: newId() }));
      void rig.outbox.append(tx, { kind: 'job', name: 'thing.burn', key: 'k', payload: {} });
    });
    await expect(failed).rejects.toMatchObject({ code: 'outbox.not_catalogued' });
    expect(await rig.rows(ctx)).toEqual([]);
  });

  it('is invisible to other tenants', async () => {
    await rig.ask(ctx);
    const other = await rig.databases.newTenant({ shardId: 'shard-2' });
    const seen = await rig.databases.sharding.read(other, (tx) => tx.db.query('select id from outbox'));
    expect(seen).toEqual([]);
  });
});

describe('the relay', () => {
  it('carries jobs of every shard and of the directory, each with its place', async () => {
    const elsewhere = await rig.databases.newTenant({ shardId: 'shard-1' });
    await rig.ask(ctx);
    await rig.ask(elsewhere);
    await rig.databases.sharding.directory.write(ctx, (tx) =>
      rig.outbox.append(tx, wash.entry('k', { thingId: newId() })),
    );
    await rig.relay.pass();
    const jobs = await queue().getJobs(['prioritized']);
    const found = jobs.map(({ data }) => `${data.tenantId === ctx.tenant.id ? 'ctx' : 'elsewhere'} ${data.place}`);
    expect(found.sort()).toEqual(['ctx directory', 'ctx shard', 'elsewhere shard']);
  });

  it('loses nothing and does nothing twice when it dies between Redis and its commit', async () => {
    class DyingQueues extends BullQueues {
      override async add(...args: Parameters<BullQueues['add']>): Promise<void> {
        await super.add(...args);
        await rig.databases.asAdmin(
          'shard-2',
          `select pg_terminate_backend(pid) from pg_stat_activity
            where usename = 'praxis_relay' and datname = current_database()`,
        );
      }
    }
    await rig.ask(ctx, wash, 3);
    const dying = new DyingQueues(rig.databases.redis, rig.log);
    await rig.newRelay(dying).pass();
    expect((await rig.rows(ctx)).map(({ attempts }) => attempts)).toEqual([0, 0, 0]);
    expect(await known()).toBe(3);

    expect(await rig.relay.pass()).toBe(3);
    expect((await rig.rows(ctx)).map(({ attempts }) => attempts)).toEqual([1, 1, 1]);
    expect(await known()).toBe(3);

    await rig.work(rig.washing);
    await rig.finished(ctx);
    expect(await rig.rows(ctx, 'fact')).toHaveLength(3);
    await dying.close();
  });

  it('shares the work with other relays: every job is handed over once', async () => {
    await rig.ask(ctx, wash, 3 * relayBatch);
    const relays = [rig.relay, rig.newRelay(), rig.newRelay()];
    for (let n = 0; n < 6; n += 1) await Promise.all(relays.map((relay) => relay.pass()));
    const rows = await rig.rows(ctx);
    expect(new Set(rows.map(({ attempts }) => attempts))).toEqual(new Set([1]));
    expect(await known()).toBe(3 * relayBatch);
  });

  it('hands over again what Redis has lost, after half a minute', async () => {
    await rig.ask(ctx);
    await rig.relay.pass();
    await rig.databases.redis.get('queues').flushdb();
    rig.clock.advance(29_000);
    expect(await rig.relay.pass()).toBe(0);
    rig.clock.advance(1_000);
    expect(await rig.relay.pass()).toBe(1);
    await rig.work(rig.washing);
    expect(await rig.finished(ctx)).toMatchObject([{ outcome: 'done', attempts: 2 }]);
    expect(await rig.rows(ctx, 'fact')).toHaveLength(1);
  });

  it('leaves alone what is still waiting in its queue, and asks ever more rarely', async () => {
    await rig.ask(ctx);
    await rig.relay.pass();
    const waits: number[] = [];
    for (let n = 0, waited = 0; waits.length < 6 && n < 2_000; n += 1) {
      rig.clock.advance(5_000);
      waited += 5_000;
      if ((await rig.relay.pass()) === 0) continue;
      waits.push(waited / 1_000);
      waited = 0;
    }
    expect(waits).toEqual([30, 60, 120, 240, 480, 600]);
    expect(await known()).toBe(1);
  }, 60_000);

  it('runs a job again that ended in Redis before the database heard of it', async () => {
    await rig.ask(ctx);
    await rig.relay.pass();
    await failInRedis('job.failed');
    rig.clock.advance(30_000);
    await rig.relay.pass();
    await rig.work(rig.washing);
    expect(await rig.finished(ctx)).toMatchObject([{ outcome: 'done' }]);
  });

  it('gives up a job that stopped its worker too often', async () => {
    await rig.ask(ctx);
    await rig.relay.pass();
    await failInRedis('job stalled more than allowable limit');
    rig.clock.advance(30_000);
    await rig.relay.pass();
    expect(await rig.rows(ctx)).toMatchObject([{ outcome: 'dead', error_code: 'job.stalled' }]);
  });

  it('leaves a job that it does not know to a newer version', async () => {
    await rig.ask(ctx);
    await rig.databases.asAdmin('shard-2', `update outbox set name = 'thing.polish'`);
    await rig.relay.pass();
    expect(await rig.rows(ctx)).toMatchObject([{ outcome: null, attempts: 0, published_at: null }]);
    expect(await rig.relay.pass()).toBe(0);
    rig.clock.advance(30_000);
    expect(await rig.relay.pass()).toBe(1);
  });

  it('goes on with the other databases while one is away', async () => {
    await rig.ask(ctx);
    await rig.databases.asAdmin('shard-1', 'alter table outbox rename to outbox_away');
    await rig.relay.pass();
    await rig.relay.pass();
    expect(await known()).toBe(1);
    const blocked = rig.lines.filter((line) => line.includes('relay.blocked'));
    expect(blocked).toHaveLength(1);
    await rig.databases.asAdmin('shard-1', 'alter table outbox_away rename to outbox');
    await rig.relay.pass();
    expect(rig.lines.some((line) => line.includes('relay.resumed'))).toBe(true);
  });

  it('does not touch facts', async () => {
    await rig.ask(ctx);
    await rig.relay.pass();
    await rig.work(rig.washing);
    await rig.finished(ctx);
    expect(await rig.relay.pass()).toBe(0);
    expect(await rig.rows(ctx, 'fact')).toMatchObject([{ published_at: null, attempts: 0 }]);
  });

  it('is woken by an append long before its next poll', async () => {
    const relay = rig.newRelay();
    const unsubscribe = await onNudge(rig.databases.redis, { job: relay.wake });
    relay.start();
    await relay.pass();
    const latencies: number[] = [];
    for (let n = 0; n < 20; n += 1) {
      await rig.ask(ctx);
      const from = performance.now();
      expect(await waitUntil(async () => (await known()) === n + 1, 5_000)).toBe(true);
      latencies.push(performance.now() - from);
    }
    latencies.sort((a, b) => a - b);
    expect(latencies[10]).toBeLessThan(1_000);
    unsubscribe();
    await relay.stop();
  });

  it('[C-038] [D-086] lets a high job overtake 1,000 waiting low ones', async () => {
    await rig.ask(ctx, sweep, 1_000);
    for (let n = 0; n < 1_000 / relayBatch; n += 1) await rig.relay.pass();
    await rig.ask(ctx, rescue);
    await rig.relay.pass();
    expect(await known()).toBe(1_001);
    const order: string[] = [];
    const entered = Promise.withResolvers<void>();
    await rig.work(
      async (...args) => {
        order.push(args[2].id);
        if (order.length === 3) entered.resolve();
        await rig.washing(...args);
      },
      { concurrency: 1 },
    );
    await entered.promise;
    const [row] = (await rig.rows(ctx)).filter(({ name }) => name === 'thing.rescue');
    expect(order[0]).toBe(row!.id);
  });
});
