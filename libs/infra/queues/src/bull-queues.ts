import { type JobsOptions, Queue, type WorkerOptions } from 'bullmq';
import type { RedisConnections } from '#infra/redis';
import type { Log } from '#infra/telemetry';
import { type JobDefinition, priorities, type QueueName, queueNames } from './catalogue.js';
import type { DeliveryData } from './delivery.js';
import { RetryLater, retryDelayMs } from './retry.js';

/** All keys of a queue in one slot of a cluster, each queue in a slot of its own. */
const prefixOf = (name: QueueName): string => `{bull:${name}}`;

const kept = {
  removeOnComplete: { age: 3_600, count: 1_000 },
  removeOnFail: { age: 7 * 24 * 3_600 },
} as const;
const backoff = 'praxis';

/** A worker that stops answering loses its jobs after a minute; a job may lose twenty workers before it is given up. */
const workerTimings = { lockDuration: 60_000, stalledInterval: 30_000, maxStalledCount: 20 } as const;

export interface BullJob {
  readonly id: string;
  readonly definition: JobDefinition;
  readonly data: DeliveryData;
}

/** How a job stands with Redis. `given_up`: it stopped its worker too often. */
export type JobState = 'unknown' | 'under_way' | 'ended' | 'given_up';

/** The queues in Redis: one BullMQ queue for each name of the catalogue, all over the role's shared connection. */
export class BullQueues {
  readonly #queues: ReadonlyMap<QueueName, Queue>;

  constructor(
    private readonly redis: RedisConnections,
    log: Log,
  ) {
    const connection = redis.get('queues');
    this.#queues = new Map(
      queueNames.map((name) => {
        const queue = new Queue(name, { connection, prefix: prefixOf(name), defaultJobOptions: kept });
        queue.on('error', (error) => log.error('queue.failure', { queue: name, error }));
        return [name, queue];
      }),
    );
  }

  queue(name: QueueName): Queue {
    const queue = this.#queues.get(name);
    if (!queue) throw new Error(`no queue ${name}`);
    return queue;
  }

  /** Adds the jobs of one queue in one trip. An id that the queue still knows is not added again. */
  async add(name: QueueName, jobs: readonly BullJob[]): Promise<void> {
    await this.queue(name).addBulk(
      jobs.map(({ id, definition, data }) => ({ name: definition.name, data, opts: optionsOf(id, definition) })),
    );
  }

  async stateOf(name: QueueName, id: string): Promise<JobState> {
    const job = await this.queue(name).getJob(id);
    if (!job) return 'unknown';
    const state = await job.getState();
    if (state !== 'completed' && state !== 'failed') return state === 'unknown' ? 'unknown' : 'under_way';
    return state === 'failed' && /stalled/.test(job.failedReason ?? '') ? 'given_up' : 'ended';
  }

  /** Forgets an ended job, so that its id may be added again. */
  async forget(name: QueueName, id: string): Promise<void> {
    await this.queue(name).remove(id);
  }

  /** What every worker of a queue is made with. */
  workerOptions(name: QueueName, concurrency: number): WorkerOptions {
    return {
      ...workerTimings,
      ...kept,
      connection: this.redis.get('queues'),
      prefix: prefixOf(name),
      concurrency,
      autorun: false,
      settings: {
        backoffStrategy: (failedAttempts, _type, error) =>
          Math.max(retryDelayMs(failedAttempts, Math.random()), error instanceof RetryLater ? error.retryAfterMs : 0),
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }
}

function optionsOf(id: string, { attempts, priority }: JobDefinition): JobsOptions {
  return { jobId: id, attempts, priority: priorities[priority], backoff: { type: backoff }, stackTraceLimit: 0 };
}
