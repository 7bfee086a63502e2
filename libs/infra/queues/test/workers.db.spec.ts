import { setTimeout as sleep } from 'node:timers/promises';
import { parseConfig } from '#infra/config';
import { AppError, newId, type TenantContext } from '#infra/kernel';
import { waitUntil } from '#infra/testing';
import { defaultAttempts } from '../src/catalogue.js';
import type { Schedule } from '../src/processor.js';
import { queuesConfig } from '../src/queues.config.js';
import { Postponed, postponedMaxMs } from '../src/retry.js';
import { QueueRig, type Run, wash, washed } from './queue-rig.js';

let rig: QueueRig;
let ctx: TenantContext;
beforeAll(async () => {
  rig = await QueueRig.open();
});
beforeEach(async () => {
  await rig.clear();
  ctx = await rig.databases.newTenant();
});
afterEach(() => rig.rest());
afterAll(() => rig.close());

const queue = () => rig.queues.queue('notifications');
const deliveryOf = async (from = ctx) => {
  const [row] = await rig.rows(from);
  const data = { tenantId: from.tenant.id, requestId: from.requestId, place: 'shard' };
  return { id: row!.id, name: row!.name, data, failedAttempts: 0 };
};
const away = new AppError('unavailable', 'washer.away', 'The washer is away.');

describe('a job', () => {
  it('runs for the tenant that asked, with the request that asked, as our own code', async () => {
    const thingId = await rig.ask(ctx);
    await rig.relay.pass();
    const runs: unknown[] = [];
    await rig.work(async (job, payload, { attempt }) => {
      runs.push({ tenant: job.tenant, requestId: job.requestId, actor: job.actor, payload, attempt });
    });
    expect(await rig.finished(ctx)).toMatchObject([{ outcome: 'done' }]);
    const actor = { kind: 'system', name: 'job:thing.wash' };
    expect(runs).toEqual([{ tenant: ctx.tenant, requestId: ctx.requestId, actor, payload: { thingId }, attempt: 1 }]);
  });

  it('does nothing when it is delivered again', async () => {
    await rig.ask(ctx);
    const runner = rig.newRunner(rig.washing);
    const delivery = await deliveryOf();
    expect(await runner.run(delivery)).toEqual({ end: 'done' });
    expect(await runner.run(delivery)).toEqual({ end: 'repeated' });
    expect(await rig.rows(ctx, 'fact')).toHaveLength(1);
  });

  it('has one effect when it is delivered to ten workers at once', async () => {
    await rig.ask(ctx);
    let inside = 0;
    const together: Run = async (...args) => {
      inside += 1;
      await waitUntil(() => inside === 10, 5_000);
      await rig.washing(...args);
    };
    const runner = rig.newRunner(together);
    const delivery = await deliveryOf();
    const ends = await Promise.all(Array.from({ length: 10 }, async () => (await runner.run(delivery)).end));
    expect(ends.sort()).toEqual(['done', ...Array.from({ length: 9 }, () => 'repeated')]);
    expect(await rig.rows(ctx, 'fact')).toHaveLength(1);
  });

  it('leaves nothing of an attempt that failed after its effect', async () => {
    await rig.ask(ctx);
    const half: Run = (job, { thingId }, work) =>
      rig.databases.sharding.write(job, async (tx) => {
        await rig.outbox.append(tx, washed.entry(thingId, { thingId }));
        await work.finish(tx);
        throw away;
      });
    expect(await rig.newRunner(half).run(await deliveryOf())).toMatchObject({ end: 'retry', code: 'washer.away' });
    expect(await rig.rows(ctx)).toMatchObject([{ outcome: null }]);
    expect(await rig.rows(ctx, 'fact')).toEqual([]);
  });

  it('is added to its queue once however often its id comes', async () => {
    await rig.ask(ctx);
    const { id, data } = await deliveryOf();
    const job = { id, definition: wash, data: data as never };
    await rig.queues.add('notifications', [job, job]);
    await rig.queues.add('notifications', [job]);
    expect(await queue().getPrioritizedCount()).toBe(1);
  });

  it('[C-039] [D-085] is tried again after 1, 2, 4 and 8 s ± jitter, and is dead after the fifth failure', async () => {
    await rig.ask(ctx);
    await rig.relay.pass();
    const at: number[] = [];
    await rig.work(async () => {
      at.push(performance.now());
      throw away;
    });
    const [row] = await rig.finished(ctx, 40_000);
    expect(row).toMatchObject({ outcome: 'dead', error_code: 'washer.away' });
    const gaps = at.slice(1).map((instant, n) => instant - at[n]!);
    expect(gaps).toHaveLength(4);
    for (const [n, gap] of gaps.entries()) {
      expect(gap).toBeGreaterThanOrEqual(500 * 2 ** n - 20);
      expect(gap).toBeLessThanOrEqual(1_500 * 2 ** n + 1_500);
    }
    await waitUntil(async () => (await queue().getFailedCount()) === 1, 2_000);
    const job = await queue().getJob(row!.id);
    expect(job).toMatchObject({ failedReason: 'washer.away', stacktrace: [] });
  }, 60_000);

  it('that cannot begin is put off as often as it takes, and has all its attempts when it can', async () => {
    await rig.ask(ctx);
    await rig.relay.pass();
    const attempts: number[] = [];
    await rig.work(async (_ctx, _payload, { attempt }) => {
      attempts.push(attempt);
      if (attempts.length <= defaultAttempts) throw new Postponed(away);
      if (attempts.length === defaultAttempts + 1) throw away;
    });
    expect(await rig.finished(ctx, 40_000)).toMatchObject([{ outcome: 'done' }]);
    expect(attempts).toEqual([...Array(defaultAttempts + 1).fill(1), 2]);
  }, 60_000);

  it('that has been put off for a day uses up its attempts again', async () => {
    await rig.ask(ctx);
    const runner = rig.newRunner(() => Promise.reject(new Postponed(away)));
    const delivery = { ...(await deliveryOf()), failedAttempts: defaultAttempts - 1 };
    rig.clock.advance(postponedMaxMs);
    expect(await runner.run(delivery)).toEqual({ end: 'postponed', code: 'washer.away', retryAfterMs: 0 });
    rig.clock.advance(1);
    expect(await runner.run(delivery)).toMatchObject({ end: 'dead', code: 'washer.away' });
    expect(await rig.rows(ctx)).toMatchObject([{ outcome: 'dead', error_code: 'washer.away' }]);
  });

  it('is dead at once where another try cannot help', async () => {
    await rig.ask(ctx);
    await rig.relay.pass();
    let runs = 0;
    await rig.work(async () => {
      runs += 1;
      throw new AppError('gone', 'thing.gone', 'The thing is gone.');
    });
    expect(await rig.finished(ctx)).toMatchObject([{ outcome: 'dead', error_code: 'thing.gone' }]);
    expect(runs).toBe(1);
  });

  it('keeps the message of a failure out of Redis, the outbox and the log', async () => {
    await rig.ask(ctx);
    await rig.relay.pass();
    await rig.work(async () => {
      throw new Error('cannot wash Ada Lovelace');
    });
    await waitUntil(async () => (await queue().getDelayedCount()) === 1, 5_000);
    const { id } = await deliveryOf();
    const job = await queue().getJob(id);
    expect(JSON.stringify(job)).not.toContain('Ada');
    expect(rig.lines.some((line) => line.includes('job.failed'))).toBe(true);
    expect(rig.lines.join()).not.toContain('Ada');
  });

  it('is given up when it has used up its time, and tried again', async () => {
    await rig.ask(ctx);
    const runner = rig.newRunner((_, __, { signal }) => sleep(60_000, undefined, { signal, ref: false }));
    expect(await runner.run(await deliveryOf())).toMatchObject({ end: 'retry', code: 'job.timed_out' });
  });

  it.each([
    ['names another tenant', async (mine: object, other: TenantContext) => ({ ...mine, tenantId: other.tenant.id })],
    ['names a tenant that does not exist', async (mine: object) => ({ ...mine, tenantId: newId() })],
    ['names another place', async (mine: object) => ({ ...mine, place: 'directory' })],
    ['carries what is no delivery', async () => ({ tenantId: 'x', payload: { thingId: newId() } })],
    ['brings a payload of its own', async (mine: object) => ({ ...mine, payload: { thingId: newId() } })],
  ])('that is forged and %s is discarded', async (_, forge) => {
    await rig.ask(ctx);
    const other = await rig.databases.newTenant();
    const delivery = await deliveryOf();
    const forged = { ...delivery, data: await forge(delivery.data, other) };
    await rig.work(rig.washing);
    await queue().add(forged.name, forged.data, { jobId: forged.id });
    await waitUntil(async () => (await queue().getCompletedCount()) === 1, 5_000);
    expect(await queue().getCompletedCount()).toBe(1);
    expect(rig.lines.some((line) => line.includes('job.discarded'))).toBe(true);
    expect(await rig.rows(ctx)).toMatchObject([{ outcome: null }]);
    expect([...(await rig.rows(ctx, 'fact')), ...(await rig.rows(other, 'fact'))]).toEqual([]);
  });

  it.each([
    ['an id of its own', { id: newId() }],
    ['an id that is none', { id: 'robert' }],
    ['another job’s name', { name: 'thing.rescue' }],
    ['a name that nobody declared', { name: 'thing.burn' }],
  ])('that is forged with %s is discarded', async (_, changes) => {
    await rig.ask(ctx);
    const runner = rig.newRunner(rig.washing);
    expect(await runner.run({ ...(await deliveryOf()), ...changes })).toEqual({ end: 'discarded' });
    expect(await rig.rows(ctx, 'fact')).toEqual([]);
  });
});

describe('workers', () => {
  it('[C-041] run as many jobs at a time as the environment says, and end those that run when they close', async () => {
    const { queues: config } = parseConfig({ queues: queuesConfig }, { QUEUE_CONCURRENCY: '3' });
    await rig.ask(ctx, wash, 8);
    await rig.relay.pass();
    let running = 0;
    let most = 0;
    const workers = await rig.work(
      async (...args) => {
        running += 1;
        most = Math.max(most, running);
        await sleep(700);
        await rig.washing(...args);
        running -= 1;
      },
      { concurrency: config.concurrency },
    );
    await waitUntil(() => running === 3, 5_000);
    const from = performance.now();
    expect(await workers.close()).toBe(true);
    expect(performance.now() - from).toBeLessThan(config.drainTimeoutMs);
    expect(running).toBe(0);
    expect(most).toBe(3);
    const done = (await rig.rows(ctx)).filter(({ outcome }) => outcome === 'done');
    expect(done).toHaveLength(3);
    expect(await queue().getPrioritizedCount()).toBe(5);
    expect(await queue().getActiveCount()).toBe(0);
  });

  it('stop waiting for a job that does not end', async () => {
    await rig.ask(ctx);
    await rig.relay.pass();
    const release = Promise.withResolvers<void>();
    let entered = false;
    const workers = await rig.work(
      async () => {
        entered = true;
        await release.promise;
      },
      { drainTimeoutMs: 200 },
    );
    await waitUntil(() => entered, 5_000);
    expect(await workers.close()).toBe(false);
    release.resolve();
    await rig.finished(ctx);
  });

  it('run a schedule once per interval however many they are, and forget one that nobody wants any more', async () => {
    const ran: number[] = [];
    const tick: Schedule = {
      name: 'thing.tick',
      everyMs: 500,
      timeoutMs: 1_000,
      run: async ({ tenant, actor }) => {
        expect(tenant).toBeNull();
        expect(actor).toEqual({ kind: 'system', name: 'schedule:thing.tick' });
        ran.push(performance.now());
      },
    };
    const old: Schedule = { ...tick, name: 'thing.tock' };
    await (await rig.work(rig.washing, { schedules: [old] })).close();
    for (let n = 0; n < 3; n += 1) await rig.work(rig.washing, { schedules: [tick] });
    ran.length = 0;
    await sleep(3_000);
    expect(ran.length).toBeGreaterThanOrEqual(5);
    expect(ran.length).toBeLessThanOrEqual(7);
    const schedulers = await rig.queues.queue('maintenance').getJobSchedulers();
    expect(schedulers.map(({ key }) => key)).toEqual(['thing.tick']);
  });
});
