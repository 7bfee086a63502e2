export { removeAbandonedUploads } from './abandoned-uploads.js';
export { reconciliationQueries } from './hot-queries.js';
export { StatementIngest } from './ingest.js';
export { type KeyPart, keyPartSchema, ladderLimits, ladderSchema, type Rung, rungSchema } from './ladder.js';
export { type Mapping, mappingSchema } from './mapping.js';
export { Reconciler } from './reconciler.js';
export { reconciliationFacts } from './reconciliation.facts.js';
export { ingestStatement, reconcileRun, reconciliationJobs } from './reconciliation.jobs.js';
export { ReconciliationModule } from './reconciliation.module.js';
export { permissionOf, type ReconciliationVerb } from './reconciliation.policy.js';
export {
  type DatedKey,
  type LegId,
  type Match,
  type MatchedRecord,
  type MatchId,
  type NewRun,
  type OpenRecord,
  type Run,
  type RunId,
  runPhases,
  runStatuses,
  type Side,
  type SideTotals,
  sides,
} from './run.js';
export { RunsService, type StartedRun } from './runs.service.js';
export { type NewestKey, type NewSource, type Source, type SourceId, type SourceKind, sourceKinds } from './source.js';
export { SourcesService } from './sources.service.js';
export {
  type ControlTotals,
  type LineKey,
  type ReconRecord,
  type RecordId,
  type RejectedRow,
  type Statement,
  type StatementId,
  statementLimits,
  statementStatuses,
} from './statement.js';
export { StatementsService } from './statements.service.js';
export { type DayOfTakings, type SourceTakings, type TakingsRange, takingsLimits } from './takings.js';
export { TakingsModule } from './takings.module.js';
export { TakingsService } from './takings.service.js';
export { type Upload, UploadService } from './upload.service.js';
