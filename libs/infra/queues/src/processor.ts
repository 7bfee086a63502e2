import type { Context, TenantContext } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import type { Catalogue, JobDefinition } from './catalogue.js';
import { fail } from './queues.errors.js';

/** One attempt at one job. */
export interface Work {
  /** The outbox row's id: the same in every attempt, so it makes effects elsewhere repeatable. */
  readonly id: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** Aborts when the attempt has used up its time. */
  readonly signal: AbortSignal;
  /**
   * Marks the job as finished inside the transaction of its effect, so that both are there or neither is. Where
   * another delivery has finished it already, the transaction is undone and the job ends in peace. A processor whose
   * effect is not in that database leaves this to the runner, which marks it right after.
   */
  finish(tx: WriteContext): Promise<void>;
}

export interface Processor<Payload = unknown> {
  readonly job: JobDefinition<Payload>;
  run(ctx: TenantContext, payload: Payload, work: Work): Promise<void>;
}

/** Work that the clock asks for, on behalf of no tenant. Runs once per interval however many workers there are. */
export interface Schedule {
  /** `<noun>.<verb>`, stable: Redis keeps it. */
  readonly name: string;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly run: (ctx: Context) => Promise<void>;
}

/** Ties a job to what does it; the payload's type follows from the job. */
export const processorFor = <Payload>(job: JobDefinition<Payload>, run: Processor<Payload>['run']): Processor => ({
  job,
  run,
});

/** Every job has exactly one processor and every processor a job of the catalogue, else the process does not start. */
export function processorsOf(catalogue: Catalogue, processors: readonly Processor[]): ReadonlyMap<string, Processor> {
  const byName = new Map<string, Processor>();
  const mistakes: string[] = [];
  for (const processor of processors) {
    const { name } = processor.job;
    if (catalogue.jobs.get(name) !== processor.job) mistakes.push(`${name} is not in the catalogue`);
    if (byName.has(name)) mistakes.push(`${name} has two processors`);
    byName.set(name, processor);
  }
  for (const name of catalogue.jobs.keys()) if (!byName.has(name)) mistakes.push(`${name} has no processor`);
  if (mistakes.length > 0) throw fail('queues.incomplete', { internal: mistakes.join('; ') });
  return byName;
}
