import {
  ingestStatement,
  Reconciler,
  type RunId,
  reconcileRun,
  type StatementId,
  StatementIngest,
} from '#domain/reconciliation';
import { systemClock, type TenantContext } from '#infra/kernel';
import { JobRunner, type Processor, processorFor, QueueMetrics } from '#infra/queues';
import { Sharding } from '#infra/sharding';
import { Log, Metrics } from '#infra/telemetry';
import type { Api } from './api.js';

const runners = new WeakMap<Api, JobRunner>();

/** What the worker does of reconciliation, with its own runner, in this process: its log and metrics are the API's. */
function runnerOf({ app }: Api): JobRunner {
  const processors: readonly Processor[] = [
    processorFor(ingestStatement, (ctx, { statementId }, work) =>
      app.get(StatementIngest).run(ctx, statementId as StatementId, work),
    ),
    processorFor(reconcileRun, (ctx, { runId }, work) => app.get(Reconciler).run(ctx, runId as RunId, work)),
  ];
  return new JobRunner({
    sharding: app.get(Sharding),
    processors: new Map(processors.map((processor) => [processor.job.name, processor])),
    log: app.get(Log),
    metrics: new QueueMetrics(app.get(Metrics)),
    clock: systemClock,
  });
}

interface DueJob {
  readonly id: string;
  readonly name: string;
  readonly requestId: string;
}

/** Does a tenant's jobs of reconciliation that nobody has done yet, in their order; how each of them ended. */
export async function doJobs(api: Api, { ctx }: { readonly ctx: TenantContext }): Promise<readonly string[]> {
  const runner = runners.get(api) ?? runnerOf(api);
  runners.set(api, runner);
  const { shardId } = await api.db.sharding.tenants.byId(ctx.tenant.id);
  const due = await api.db.asAdmin<DueJob>(
    shardId,
    `select id, name, request_id as "requestId" from outbox
      where tenant_id = $1 and kind = 'job' and name like 'reconciliation.%' and finished_at is null order by id`,
    [ctx.tenant.id],
  );
  const ends: string[] = [];
  for (const { id, name, requestId } of due) {
    const data = { tenantId: ctx.tenant.id, requestId, place: 'shard' };
    ends.push((await runner.run({ id, name, data, failedAttempts: 0 })).end);
  }
  return ends;
}
