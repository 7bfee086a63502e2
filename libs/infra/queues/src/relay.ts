import { type Clock, type Context, newId } from '#infra/kernel';
import type { Sharding, SystemContext } from '#infra/sharding';
import { directoryName } from '#infra/sharding';
import type { Log } from '#infra/telemetry';
import type { BullJob, BullQueues } from './bull-queues.js';
import type { Catalogue, JobDefinition, QueueName } from './catalogue.js';
import { secondLookMs } from './nudge.js';
import { type DueJob, OutboxRepository } from './outbox.repository.js';
import type { QueuesConfig } from './queues.config.js';
import { fail } from './queues.errors.js';
import type { QueueMetrics } from './queues.metrics.js';

/** Jobs claimed and handed over in one transaction. */
export const relayBatch = 100;
/** Batches in a row before the relay waits for the next poll or nudge. */
const maxBatchesInARow = 1_000;
const passTimeoutMs = 30_000;
/** While a batch waits for Redis its transaction is open; longer is not worth it. */
const redisTimeoutMs = 5_000;

interface RelayParts {
  readonly sharding: Sharding;
  readonly queues: BullQueues;
  readonly catalogue: Catalogue;
  readonly config: Pick<QueuesConfig, 'relayPollMs'>;
  readonly log: Log;
  readonly metrics: QueueMetrics;
  readonly clock: Clock;
}

type Known = DueJob & { readonly definition: JobDefinition };

/**
 * Carries due jobs from every outbox to the queues, at least once: a batch is claimed, handed to Redis, marked, and only
 * then committed, so that whatever stops in between leaves it due. Any number of relays may run.
 */
export class Relay {
  readonly #rows = new OutboxRepository();
  readonly #failing = new Set<string>();
  #stopping = false;
  #loop: Promise<void> | undefined;
  #awake = Promise.withResolvers<void>();

  constructor(private readonly parts: RelayParts) {}

  start(): void {
    this.#loop ??= this.#run();
  }

  /** New work was announced: looks now, and once more for a commit that was slower than the announcement. */
  readonly wake = (): void => {
    this.#awake.resolve();
    setTimeout(() => this.#awake.resolve(), secondLookMs).unref();
  };

  /** Resolves when the batch under way is committed or undone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#awake.resolve();
    await this.#loop;
  }

  /** One batch from each database; the size of the largest. */
  async pass(): Promise<number> {
    const ctx: Context = {
      requestId: newId(),
      actor: { kind: 'system', name: 'relay' },
      tenant: null,
      deadline: this.parts.clock.now() + passTimeoutMs,
    };
    const results = await this.parts.sharding.eachShard(ctx, (system) => this.#relay(system), { directory: true });
    for (const { database, error } of results) this.#note(database, error);
    return Math.max(...results.map(({ value }) => value ?? 0));
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#awake = Promise.withResolvers();
      try {
        for (let n = 0; n < maxBatchesInARow && !this.#stopping; n += 1) if ((await this.pass()) < relayBatch) break;
      } catch (error) {
        this.parts.log.error('relay.failed', { error });
      }
      const poll = setTimeout(() => this.#awake.resolve(), this.parts.config.relayPollMs);
      await this.#awake.promise;
      clearTimeout(poll);
    }
  }

  async #relay(system: SystemContext): Promise<number> {
    const at = this.parts.clock.now();
    const due = await this.#rows.claimDue(system, at, relayBatch);
    const oldest = due[0];
    this.parts.metrics.relayed(system.database, due.length, oldest ? at - oldest.dueAt.getTime() : 0);
    if (!oldest) return 0;
    const known = due.flatMap((job) => {
      const definition = this.parts.catalogue.jobs.get(job.name);
      return definition ? [{ ...job, definition }] : [];
    });
    const unknown = due.filter((job) => !this.parts.catalogue.jobs.has(job.name));
    if (unknown.length > 0) await this.#postpone(system, unknown, at);
    if (known.length > 0) await this.#handOver(system, known, at);
    return due.length;
  }

  async #handOver(system: SystemContext, jobs: readonly Known[], at: number): Promise<void> {
    const states = await inTime(Promise.all(jobs.map((job) => this.#readmit(job))));
    const dead = jobs.filter((_, n) => states[n] === 'given_up');
    if (dead.length > 0) await this.#bury(system, dead, at);
    const wanted = jobs.filter((_, n) => states[n] === 'unknown');
    for (const [queue, batch] of byQueue(wanted))
      await inTime(
        this.parts.queues.add(
          queue,
          batch.map((job) => bullJob(job, system.database)),
        ),
      );
    await this.#rows.markSent(
      system,
      jobs.filter((job) => !dead.includes(job)),
      at,
    );
  }

  /** A job that was handed over before may be under way; one that ended without its row being finished runs again. */
  async #readmit({ attempts, definition, id }: Known): Promise<'unknown' | 'under_way' | 'given_up'> {
    if (attempts === 0) return 'unknown';
    const state = await this.parts.queues.stateOf(definition.queue, id);
    if (state !== 'ended') return state;
    await this.parts.queues.forget(definition.queue, id);
    return 'unknown';
  }

  async #bury(system: SystemContext, jobs: readonly Known[], at: number): Promise<void> {
    await this.#rows.markDead(system, jobs, 'job.stalled', at);
    for (const { tenantId, id, name } of jobs) {
      this.parts.log.error('job.dead', { tenantId, jobId: id, job: name, code: 'job.stalled' });
      this.parts.metrics.ended(name, 'dead');
    }
  }

  /** A newer version of the product may have appended them; its own relay, or this one once updated, takes them. */
  async #postpone(system: SystemContext, jobs: readonly DueJob[], at: number): Promise<void> {
    await this.#rows.postpone(system, jobs, at);
    this.parts.log.warn('outbox.job_unknown', { database: system.database, count: jobs.length });
  }

  #note(database: string, error: unknown): void {
    const failing = error !== undefined;
    if (failing === this.#failing.has(database)) return;
    if (failing) this.#failing.add(database);
    else this.#failing.delete(database);
    if (failing) this.parts.log.error('relay.blocked', { database, error });
    else this.parts.log.info('relay.resumed', { database });
  }
}

const bullJob = ({ id, tenantId, requestId, definition }: Known, database: string): BullJob => ({
  id,
  definition,
  data: { tenantId, requestId, place: database === directoryName ? 'directory' : 'shard' },
});

const byQueue = (jobs: readonly Known[]): ReadonlyMap<QueueName, Known[]> =>
  Map.groupBy(jobs, (job) => job.definition.queue);

/** Commands to the queues wait for Redis as long as it takes; the relay does not. */
function inTime<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(fail('queues.unavailable')), redisTimeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
