import { type Clock, type Context, newId } from '#infra/kernel';
import type { Sharding, SystemContext } from '#infra/sharding';
import { directoryName } from '#infra/sharding';
import type { Log } from '#infra/telemetry';
import { BlockedDatabases } from './blocked-databases.js';
import type { BullJob, BullQueues } from './bull-queues.js';
import type { Catalogue, JobDefinition, QueueName } from './catalogue.js';
import { inTime } from './in-time.js';
import { type DueJob, OutboxRepository } from './outbox.repository.js';
import type { QueuesConfig } from './queues.config.js';
import type { QueueMetrics } from './queues.metrics.js';
import { Rounds } from './rounds.js';

/** Jobs claimed and handed over in one transaction. */
export const relayBatch = 100;
const passTimeoutMs = 30_000;

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
  readonly #blocked: BlockedDatabases;
  readonly #rounds: Rounds;

  constructor(private readonly parts: RelayParts) {
    const { config, log } = parts;
    this.#blocked = new BlockedDatabases(log, 'jobs');
    this.#rounds = new Rounds({
      pass: async () => (await this.pass()) >= relayBatch,
      pollMs: config.relayPollMs,
      onError: (error) => log.error('relay.failed', { component: 'jobs', error }),
    });
  }

  start(): void {
    this.#rounds.start();
  }

  /** New jobs were committed somewhere. */
  readonly wake = (): void => this.#rounds.wake();

  /** Resolves when the batch under way is committed or undone. */
  stop(): Promise<void> {
    return this.#rounds.stop();
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
    for (const { database, error } of results) this.#blocked.note(database, error);
    return Math.max(...results.map(({ value }) => value ?? 0));
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
}

const bullJob = ({ id, tenantId, requestId, definition }: Known, database: string): BullJob => ({
  id,
  definition,
  data: { tenantId, requestId, place: database === directoryName ? 'directory' : 'shard' },
});

const byQueue = (jobs: readonly Known[]): ReadonlyMap<QueueName, Known[]> =>
  Map.groupBy(jobs, (job) => job.definition.queue);
