import type { Audit } from '#infra/audit';
import type { TenantCrypto } from '#infra/crypto';
import type { Clock } from '#infra/kernel';
import type { Outbox } from '#infra/queues';
import type { Quotas } from '#infra/quotas';
import type { Sharding } from '#infra/sharding';
import type { ReconciliationMetrics } from './reconciliation.metrics.js';

export interface ReconciliationParts {
  readonly sharding: Sharding;
  readonly audit: Audit;
  readonly outbox: Outbox;
  readonly crypto: TenantCrypto;
  readonly clock: Clock;
  readonly metrics: ReconciliationMetrics;
  readonly quotas: Quotas;
}
