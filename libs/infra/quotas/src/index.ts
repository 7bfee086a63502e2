export {
  type Limit,
  type Limits,
  levelOf,
  planLimits,
  plansUrl,
  type QuotaLevel,
  type QuotaResource,
  quotaLevels,
  quotaResources,
  type Upgrade,
} from './quota.js';
export { QuotaOverrides } from './quota-overrides.js';
export { QuotaRecount, type Recounted } from './quota-recount.js';
export { type QuotaReport, QuotaStatus, type ResourceUsage, statusTtlMs } from './quota-status.js';
export { quotaFacts, quotaReached, quotasPermission } from './quotas.facts.js';
export { Quotas, type QuotasParts } from './quotas.js';
export { QuotasModule } from './quotas.module.js';
export { type FurtherLimits, TierReport, type TierReportAnswer, type TierUse } from './tier-report.js';
