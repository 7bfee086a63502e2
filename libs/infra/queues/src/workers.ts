import { DelayedError, type Job, UnrecoverableError, Worker } from 'bullmq';
import { newId, systemClock } from '#infra/kernel';
import type { Log } from '#infra/telemetry';
import type { BullQueues } from './bull-queues.js';
import { type QueueName, queueNames, queues } from './catalogue.js';
import type { JobRunner } from './job-runner.js';
import type { Schedule } from './processor.js';
import type { QueuesConfig } from './queues.config.js';
import { failureCode, postponeDelayMs, RetryLater } from './retry.js';

const scheduleQueue = 'maintenance' satisfies QueueName;
const scheduleAttempts = 3;
const maxSchedulers = 1_000;

interface WorkersParts {
  readonly queues: BullQueues;
  readonly runner: JobRunner;
  readonly schedules: readonly Schedule[];
  readonly config: Pick<QueuesConfig, 'concurrency' | 'drainTimeoutMs'>;
  readonly log: Log;
}

/** One BullMQ worker for each queue of the product. */
export class Workers {
  #workers: readonly Worker[] = [];
  readonly #schedules: ReadonlyMap<string, Schedule>;

  constructor(private readonly parts: WorkersParts) {
    this.#schedules = new Map(parts.schedules.map((schedule) => [schedule.name, schedule]));
  }

  async start(): Promise<void> {
    await this.#installSchedules();
    this.#workers = queueNames.map((name) => this.#worker(name));
    await Promise.all(this.#workers.map((worker) => worker.waitUntilReady()));
    for (const worker of this.#workers)
      worker.run().catch((error: unknown) => this.parts.log.error('queue.failure', { queue: worker.name, error }));
  }

  /** True while every queue is being worked on. */
  get running(): boolean {
    return this.#workers.length > 0 && this.#workers.every((worker) => worker.isRunning());
  }

  /** Takes no new job and waits for those that run; false when some still did after the drain time. */
  async close(): Promise<boolean> {
    const closed = Promise.all(this.#workers.map((worker) => worker.close())).then(() => true);
    const timedOut = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => timedOut.resolve(false), this.parts.config.drainTimeoutMs);
    const drained = await Promise.race([closed, timedOut.promise]);
    clearTimeout(timer);
    if (!drained) this.parts.log.warn('worker.drain_timed_out', { timeoutMs: this.parts.config.drainTimeoutMs });
    return drained;
  }

  #worker(name: QueueName): Worker {
    const concurrency = queues[name].concurrency === 'one' ? 1 : this.parts.config.concurrency;
    const options = this.parts.queues.workerOptions(name, concurrency);
    const worker = new Worker(name, (job, token) => this.#process(job, token), options);
    worker.on('error', (error) => this.parts.log.error('queue.failure', { queue: name, error }));
    worker.on('stalled', (jobId) => this.parts.log.warn('job.stalled', { queue: name, jobId }));
    return worker;
  }

  async #process(job: Job, token: string | undefined): Promise<void> {
    const schedule = job.queueName === scheduleQueue ? this.#schedules.get(job.name) : undefined;
    if (schedule) return this.#runSchedule(schedule);
    const { id = '', name, data, attemptsMade } = job;
    const verdict = await this.parts.runner.run({ id, name, data, failedAttempts: attemptsMade }).catch((error) => {
      this.parts.log.error('job.unresolved', { job: name, jobId: id, error });
      throw new RetryLater(failureCode(error), 0);
    });
    if (verdict.end === 'postponed') {
      // Queues reckon the delay from the system's clock.
      await job.moveToDelayed(systemClock.now() + postponeDelayMs(verdict.retryAfterMs, Math.random()), token);
      throw new DelayedError();
    }
    if (verdict.end === 'retry') throw new RetryLater(verdict.code, verdict.retryAfterMs);
    if (verdict.end === 'dead') throw new UnrecoverableError(verdict.code);
  }

  async #runSchedule(schedule: Schedule): Promise<void> {
    try {
      await this.parts.runner.runSchedule(schedule, newId());
    } catch (error) {
      this.parts.log.error('schedule.failed', { schedule: schedule.name, error });
      throw new RetryLater(failureCode(error), 0);
    }
  }

  /** Redis keeps one scheduler for each name, whoever asks; those that no version wants any more are taken out. */
  async #installSchedules(): Promise<void> {
    const queue = this.parts.queues.queue(scheduleQueue);
    for (const { name, everyMs } of this.#schedules.values())
      await queue.upsertJobScheduler(
        name,
        { every: everyMs },
        { name, data: {}, opts: { attempts: scheduleAttempts, backoff: { type: 'praxis' }, stackTraceLimit: 0 } },
      );
    for (const { key } of await queue.getJobSchedulers(0, maxSchedulers))
      if (!this.#schedules.has(key)) await queue.removeJobScheduler(key);
  }
}
