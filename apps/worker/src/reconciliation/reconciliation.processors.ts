import {
  ingestStatement,
  type Reconciler,
  type RunId,
  reconcileRun,
  type StatementId,
  type StatementIngest,
} from '#domain/reconciliation';
import { type Processor, processorFor } from '#infra/queues';

/** Both make their effect and their mark in one transaction. */
export const reconciliationProcessors = (ingest: StatementIngest, reconciler: Reconciler): readonly Processor[] => [
  processorFor(ingestStatement, (ctx, { statementId }, work) => ingest.run(ctx, statementId as StatementId, work)),
  processorFor(reconcileRun, (ctx, { runId }, work) => reconciler.run(ctx, runId as RunId, work)),
];
