import { newId, type TenantContext } from '#infra/kernel';
import { Catalogue, Nudge, Outbox, type Work } from '#infra/queues';
import { Quotas } from '#infra/quotas';
import type { WriteContext } from '#infra/sharding';
import { createLog, Metrics } from '#infra/telemetry';
import type { TestDatabases } from '#infra/testing';
import { StatementIngest } from '../src/ingest.js';
import { Reconciler } from '../src/reconciler.js';
import { reconciliationFacts } from '../src/reconciliation.facts.js';
import { reconciliationJobs } from '../src/reconciliation.jobs.js';
import { ReconciliationMetrics } from '../src/reconciliation.metrics.js';
import { RunsService } from '../src/runs.service.js';
import { SourcesService } from '../src/sources.service.js';
import { StatementsService } from '../src/statements.service.js';
import { UploadService } from '../src/upload.service.js';

/** The domain as an app wires it, on databases of a spec. */
export function openServices(db: TestDatabases) {
  const { sharding, audit, crypto, clock, redis } = db;
  const identity = { app: 'test', version: '0.0.0' };
  const log = createLog({ level: 'error', service: 'test' }, identity);
  const registry = new Metrics({ config: { monitoring: true, service: 'test' }, identity, log });
  const catalogue = new Catalogue({ jobs: reconciliationJobs, facts: reconciliationFacts });
  const outbox = new Outbox(catalogue, new Nudge(redis, log), clock);
  const metrics = new ReconciliationMetrics(registry);
  const quotas = new Quotas({ sharding, clock, log, metrics: registry });
  const parts = { sharding, audit, crypto, clock, outbox, metrics, quotas };
  return {
    registry,
    sources: new SourcesService(parts),
    uploads: new UploadService(parts),
    statements: new StatementsService(parts),
    ingest: new StatementIngest(parts),
    runs: new RunsService(parts),
    reconciler: new Reconciler(parts),
  };
}
export type Services = ReturnType<typeof openServices>;

/** An attempt at a job, which its runner would hand over; `finish` is what happens in the transaction of the effect. */
export const attemptAt = (attempt = 1, finish: (tx: WriteContext) => Promise<void> = async () => undefined): Work => ({
  id: newId(),
  attempt,
  signal: new AbortController().signal,
  finish,
});

const dayMs = 86_400_000;

/** The same tenant, seen by another request; nobody gives up waiting because a spec moves the clock. */
export const again = (ctx: TenantContext, words: Partial<TenantContext> = {}): TenantContext => ({
  ...ctx,
  deadline: ctx.deadline + 20 * dayMs,
  requestId: newId(),
  ...words,
});

/** Bytes as a socket brings them. */
export async function* chunksOf(text: string | Buffer, size = 10_000): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

/** An attempt that ends where its `nth` look at the signal is. */
export function attemptStoppedAt(nth: number): Work {
  let looks = 0;
  const throwIfAborted = (): void => {
    looks += 1;
    if (looks === nth) throw new Error('stopped');
  };
  return { ...attemptAt(), signal: { throwIfAborted } as AbortSignal };
}

/** An attempt whose connection is cut when all its rows are written, before its commit. */
export const attemptCutOff = (db: TestDatabases): Work =>
  attemptAt(1, async (tx) => {
    const [row] = await tx.db.query<{ pid: number }>('select pg_backend_pid() as pid');
    await db.asAdmin('shard-1', 'select pg_terminate_backend($1)', [row?.pid]);
    await tx.db.query('select 1');
  });
