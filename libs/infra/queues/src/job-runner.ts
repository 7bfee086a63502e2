import {
  type Clock,
  type Context,
  isAppError,
  isId,
  monotonicMs,
  type TenantContext,
  type TenantId,
} from '#infra/kernel';
import type { Sharding, TenantDatabase, WriteContext } from '#infra/sharding';
import { type Log, runWithLogFields } from '#infra/telemetry';
import { type Delivery, type DeliveryData, deliveryData } from './delivery.js';
import { OutboxRepository, type StoredJob } from './outbox.repository.js';
import type { Processor, Schedule, Work } from './processor.js';
import { fail } from './queues.errors.js';
import type { QueueMetrics } from './queues.metrics.js';
import { failureCode, mayRetry, Postponed, postponedMaxMs, retryAfterMsOf } from './retry.js';

/**
 * `repeated`: an earlier delivery had finished it. `discarded`: no outbox row stands behind it. `retry`: not yet.
 * `postponed`: not begun, and no attempt used up. `dead`: never; the row stays, with the failure's code, until an operator decides.
 */
export type Verdict =
  | { readonly end: 'done' | 'repeated' | 'discarded' }
  | { readonly end: 'retry' | 'postponed' | 'dead'; readonly code: string; readonly retryAfterMs: number };

interface Found {
  readonly ctx: TenantContext;
  readonly database: TenantDatabase;
  readonly processor: Processor;
  readonly row: StoredJob;
}

interface RunnerParts {
  readonly sharding: Sharding;
  readonly processors: ReadonlyMap<string, Processor>;
  readonly log: Log;
  readonly metrics: QueueMetrics;
  readonly clock: Clock;
}

class FinishedElsewhere extends Error {
  override readonly name = 'FinishedElsewhere';
}

/** Turns a delivery into one attempt at the job that the outbox holds. Delivered twice, it does nothing the second time. */
export class JobRunner {
  readonly #rows = new OutboxRepository();

  constructor(private readonly parts: RunnerParts) {}

  async run(delivery: Delivery): Promise<Verdict> {
    const data = isId(delivery.id) ? deliveryData(delivery.data) : null;
    if (!data) return this.#discard(delivery, 'unreadable');
    const fields = { requestId: data.requestId, tenantId: data.tenantId, job: delivery.name, jobId: delivery.id };
    return runWithLogFields(fields, () => this.#runKnown(delivery, data));
  }

  /** One run of a schedule; throws what the schedule throws. */
  async runSchedule(schedule: Schedule, requestId: string): Promise<void> {
    const ctx: Context = {
      requestId,
      actor: { kind: 'system', name: `schedule:${schedule.name}` },
      tenant: null,
      deadline: this.parts.clock.now() + schedule.timeoutMs,
    };
    await runWithLogFields({ requestId, schedule: schedule.name }, () =>
      this.#timed(schedule.name, () => schedule.run(ctx)),
    );
  }

  async #runKnown(delivery: Delivery, data: DeliveryData): Promise<Verdict> {
    const found = await this.#find(delivery, data);
    if (typeof found === 'string') return this.#discard(delivery, found);
    if (found.row.outcome !== null) return { end: 'repeated' };
    const startedAt = monotonicMs();
    try {
      const end = await this.#timed(delivery.name, () => this.#attempt(found, delivery));
      this.parts.log.info('job.ended', { outcome: end, durationMs: Math.round(monotonicMs() - startedAt) });
      return { end };
    } catch (error) {
      return this.#failed(found, delivery, error);
    }
  }

  /** Looks the job up under the tenant that the delivery names; row-level security shows it only there. */
  async #find(
    delivery: Delivery,
    data: DeliveryData,
  ): Promise<Found | 'no_tenant' | 'no_row' | 'other_name' | 'no_processor'> {
    const tenant = await this.parts.sharding.tenants.byId(data.tenantId as TenantId).catch((error: unknown) => {
      if (isAppError(error, 'tenant.not_found')) return null;
      throw error;
    });
    if (!tenant) return 'no_tenant';
    const processor = this.parts.processors.get(delivery.name);
    if (!processor) return 'no_processor';
    const ctx: TenantContext = {
      requestId: data.requestId,
      actor: { kind: 'system', name: `job:${delivery.name}` },
      tenant: { id: tenant.id, plan: tenant.plan },
      deadline: this.parts.clock.now() + processor.job.timeoutMs,
    };
    const database = data.place === 'directory' ? this.parts.sharding.directory : this.parts.sharding;
    const row = await database.read(ctx, (tx) => this.#rows.find(tx, delivery.id));
    if (!row) return 'no_row';
    if (row.name !== delivery.name) return 'other_name';
    return { ctx: { ...ctx, requestId: row.requestId }, database, processor, row };
  }

  async #attempt({ ctx, database, processor, row }: Found, delivery: Delivery): Promise<'done' | 'repeated'> {
    const { job, run } = processor;
    const payload = job.payload.safeParse(row.payload);
    if (!payload.success) throw fail('job.payload_unreadable', { internal: job.name });
    let finished = false;
    const finish = async (tx: WriteContext): Promise<void> => {
      finished = true;
      if (!(await this.#finish(tx, delivery.id, 'done', null))) throw new FinishedElsewhere();
    };
    const signal = AbortSignal.timeout(job.timeoutMs);
    const work: Work = { id: delivery.id, attempt: delivery.failedAttempts + 1, signal, finish };
    try {
      await orAborted(run(ctx, payload.data, work), signal);
      if (!finished) await database.write(ctx, finish);
      return 'done';
    } catch (error) {
      if (error instanceof FinishedElsewhere) return 'repeated';
      throw error;
    }
  }

  #failed(found: Found, delivery: Delivery, error: unknown): Promise<Verdict> | Verdict {
    if (!(error instanceof Postponed)) return this.#unsuccessful(found, delivery, error);
    const late = this.parts.clock.now() - found.row.createdAt > postponedMaxMs;
    if (late) return this.#unsuccessful(found, delivery, error.cause);
    const [code, retryAfterMs] = [failureCode(error.cause), retryAfterMsOf(error.cause)];
    this.parts.log.info('job.postponed', { reason: code, delayMs: retryAfterMs });
    return { end: 'postponed', code, retryAfterMs };
  }

  async #unsuccessful({ ctx, database, processor }: Found, delivery: Delivery, error: unknown): Promise<Verdict> {
    const attempt = delivery.failedAttempts + 1;
    const code = failureCode(error);
    if (mayRetry(error) && attempt < processor.job.attempts) {
      this.parts.log.warn('job.failed', { error, attempt, attempts: processor.job.attempts });
      return { end: 'retry', code, retryAfterMs: retryAfterMsOf(error) };
    }
    const late = { ...ctx, deadline: this.parts.clock.now() + processor.job.timeoutMs };
    await database.write(late, (tx) => this.#finish(tx, delivery.id, 'dead', code));
    this.parts.log.error('job.dead', { error, attempt });
    this.parts.metrics.ended(delivery.name, 'dead');
    return { end: 'dead', code, retryAfterMs: 0 };
  }

  #finish(tx: WriteContext, id: string, outcome: 'done' | 'dead', errorCode: string | null): Promise<boolean> {
    return this.#rows.finish(tx, id, { outcome, errorCode, at: this.parts.clock.now() });
  }

  #discard(delivery: Delivery, reason: string): Verdict {
    this.parts.log.warn('job.discarded', { reason });
    this.parts.metrics.ended(this.parts.processors.has(delivery.name) ? delivery.name : 'unknown', 'discarded');
    return { end: 'discarded' };
  }

  async #timed<T>(name: string, run: () => Promise<T>): Promise<T> {
    const startedAt = monotonicMs();
    try {
      const value = await run();
      this.parts.metrics.ran(name, 'success', monotonicMs() - startedAt);
      return value;
    } catch (error) {
      const outcome = error instanceof Postponed ? 'postponed' : 'failure';
      this.parts.metrics.ran(name, outcome, monotonicMs() - startedAt);
      throw error;
    }
  }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(fail('job.timed_out')), { once: true });
    work.then(resolve, reject);
  });
}
