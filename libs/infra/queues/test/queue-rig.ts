import { z } from 'zod';
import { FixedClock, newId, type TenantContext } from '#infra/kernel';
import { createLog, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { BullQueues } from '../src/bull-queues.js';
import { Catalogue, defineFact, defineJob, type JobDefinition } from '../src/catalogue.js';
import { JobRunner } from '../src/job-runner.js';
import { Nudge } from '../src/nudge.js';
import { Outbox } from '../src/outbox.js';
import { type Processor, processorFor, processorsOf, type Schedule, type Work } from '../src/processor.js';
import { QueueMetrics } from '../src/queues.metrics.js';
import { Relay } from '../src/relay.js';
import { Workers } from '../src/workers.js';

const start = Date.parse('2026-12-01T09:00:00Z');
const thing = z.strictObject({ thingId: z.uuid() });
type Thing = z.infer<typeof thing>;

export const wash = defineJob({
  name: 'thing.wash',
  queue: 'notifications',
  payload: thing,
  timeoutMs: 3_000,
});
export const sweep = defineJob({ name: 'thing.sweep', queue: 'notifications', payload: thing, priority: 'low' });
export const rescue = defineJob({ name: 'thing.rescue', queue: 'notifications', payload: thing, priority: 'high' });
/** What the jobs leave behind: a fact in the tenant's own outbox, written in the transaction that ends the job. */
export const washed = defineFact({
  name: 'thing.washed',
  payload: thing,
  permission: 'things.read',
  rooms: () => [{ of: 'tenant' }],
});

export type Run = (ctx: TenantContext, payload: Thing, work: Work) => Promise<void>;

export interface WorkOptions {
  readonly concurrency?: number;
  readonly drainTimeoutMs?: number;
  readonly schedules?: readonly Schedule[];
}

export interface OutboxRow {
  readonly id: string;
  readonly name: string;
  readonly attempts: number;
  readonly outcome: 'done' | 'dead' | null;
  readonly error_code: string | null;
  readonly published_at: Date | null;
}

/** Outbox, relay, queues and workers of one process on real databases, with a clock that the test moves. */
export class QueueRig {
  readonly log;
  readonly lines: string[] = [];
  readonly catalogue = new Catalogue({ jobs: [wash, sweep, rescue], facts: [washed] });
  readonly outbox: Outbox;
  readonly queues: BullQueues;
  readonly relay: Relay;
  readonly #workers: Workers[] = [];

  private constructor(
    readonly databases: TestDatabases,
    readonly clock: FixedClock,
  ) {
    const to = { write: (line: string) => void this.lines.push(line) };
    this.log = createLog({ level: 'info', service: 'test' }, { app: 'test', version: '0', to });
    this.outbox = new Outbox(this.catalogue, new Nudge(databases.redis, this.log), clock);
    this.queues = new BullQueues(databases.redis, this.log);
    this.relay = this.newRelay();
  }

  /** `env`: another Redis than that of the test run. */
  static async open(env: Readonly<Record<string, string>> = {}): Promise<QueueRig> {
    const clock = new FixedClock(start);
    return new QueueRig(await openTestDatabases({ clock, env }), clock);
  }

  /** Before each test: empty outboxes, an empty Redis. */
  async clear(): Promise<void> {
    await this.databases.redis.get('queues').flushdb();
    for (const database of this.databases.sharding.databaseNames)
      await this.databases.asAdmin(database, 'truncate outbox');
    this.lines.length = 0;
  }

  newRelay(queues = this.queues, relayPollMs = 60_000): Relay {
    const { catalogue, log, clock } = this;
    const metrics = new QueueMetrics(new Metrics());
    return new Relay({
      sharding: this.databases.sharding,
      queues,
      catalogue,
      config: { relayPollMs },
      log,
      metrics,
      clock,
    });
  }

  newRunner(run: Run): JobRunner {
    const { clock, log } = this;
    const processors = processorsOf(
      this.catalogue,
      [wash, sweep, rescue].map((job): Processor => processorFor(job, run)),
    );
    return new JobRunner({
      sharding: this.databases.sharding,
      processors,
      log,
      metrics: new QueueMetrics(new Metrics()),
      clock,
    });
  }

  /** Workers that are closed after the test. */
  async work(run: Run, options: WorkOptions = {}): Promise<Workers> {
    const { concurrency = 10, drainTimeoutMs = 25_000, schedules = [] } = options;
    const config = { concurrency, drainTimeoutMs };
    const workers = new Workers({ queues: this.queues, runner: this.newRunner(run), schedules, config, log: this.log });
    this.#workers.push(workers);
    await workers.start();
    return workers;
  }

  /** Its effect and its end in one transaction of the tenant's shard. */
  readonly washing: Run = async (ctx, { thingId }, work) => {
    await this.databases.sharding.write(ctx, async (tx) => {
      await this.outbox.append(tx, washed.entry(thingId, { thingId }));
      await work.finish(tx);
    });
  };

  /** Appends jobs in one transaction; the id of the last thing. */
  async ask(ctx: TenantContext, job: JobDefinition<Thing> = wash, count = 1): Promise<string> {
    let thingId = '';
    await this.databases.sharding.write(ctx, async (tx) => {
      for (let n = 0; n < count; n += 1) {
        thingId = newId();
        await this.outbox.append(tx, job.entry(thingId, { thingId }));
      }
    });
    return thingId;
  }

  async rows(ctx: TenantContext, kind: 'job' | 'fact' = 'job'): Promise<OutboxRow[]> {
    const { shardId } = await this.databases.sharding.tenants.byId(ctx.tenant.id);
    return this.databases.asAdmin<OutboxRow>(
      shardId,
      `select id, name, attempts, outcome, error_code, published_at from outbox
        where tenant_id = $1 and kind = $2 order by id`,
      [ctx.tenant.id, kind],
    );
  }

  /** Waits until no job of the tenant is unfinished. */
  async finished(ctx: TenantContext, timeoutMs = 10_000): Promise<OutboxRow[]> {
    const done = async () => (await this.rows(ctx)).every(({ outcome }) => outcome !== null);
    if (!(await waitUntil(done, timeoutMs))) throw new Error('jobs are still unfinished');
    return this.rows(ctx);
  }

  /** After each test: nothing works any more. */
  async rest(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((workers) => workers.close()));
  }

  async close(): Promise<void> {
    await this.queues.close();
    await this.databases.close();
  }
}
