import { Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { TenantCrypto } from '#infra/crypto';
import { systemClock } from '#infra/kernel';
import { Outbox } from '#infra/queues';
import { Quotas, QuotasModule } from '#infra/quotas';
import { Sharding } from '#infra/sharding';
import { Metrics } from '#infra/telemetry';
import { StatementIngest } from './ingest.js';
import type { ReconciliationParts } from './parts.js';
import { Reconciler } from './reconciler.js';
import { ReconciliationMetrics } from './reconciliation.metrics.js';
import { RunsService } from './runs.service.js';
import { SourcesService } from './sources.service.js';
import { StatementsService } from './statements.service.js';
import { UploadService } from './upload.service.js';

const parts = Symbol('parts of reconciliation');
const made = [SourcesService, UploadService, StatementsService, StatementIngest, RunsService, Reconciler] as const;

@Module({
  imports: [QuotasModule],
  providers: [
    {
      provide: parts,
      inject: [Sharding, Audit, Outbox, TenantCrypto, Metrics, Quotas],
      useFactory: (...[sharding, audit, outbox, crypto, metrics, quotas]: Needs): ReconciliationParts => ({
        sharding,
        audit,
        outbox,
        crypto,
        clock: systemClock,
        metrics: new ReconciliationMetrics(metrics),
        quotas,
      }),
    },
    ...made.map((service) => ({
      provide: service,
      inject: [parts],
      useFactory: (all: ReconciliationParts) => new service(all),
    })),
  ],
  exports: [...made],
})
export class ReconciliationModule {}

type Needs = [Sharding, Audit, Outbox, TenantCrypto, Metrics, Quotas];
