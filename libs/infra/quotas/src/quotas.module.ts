import { Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { systemClock } from '#infra/kernel';
import { Sharding } from '#infra/sharding';
import { Log, Metrics } from '#infra/telemetry';
import { QuotaOverrides } from './quota-overrides.js';
import { QuotaRecount } from './quota-recount.js';
import { QuotaStatus } from './quota-status.js';
import { Quotas, type QuotasParts } from './quotas.js';
import { TierReport } from './tier-report.js';

const parts = Symbol('parts of quotas');

/** For whoever makes something that plans limit. Needs the global modules of telemetry, sharding and audit. */
@Module({
  providers: [
    {
      provide: parts,
      inject: [Sharding, Log, Metrics],
      useFactory: (sharding: Sharding, log: Log, metrics: Metrics): QuotasParts => ({
        sharding,
        log,
        metrics,
        clock: systemClock,
      }),
    },
    { provide: Quotas, inject: [parts], useFactory: (all: QuotasParts) => new Quotas(all) },
    { provide: QuotaStatus, inject: [parts], useFactory: (all: QuotasParts) => new QuotaStatus(all) },
    { provide: QuotaRecount, inject: [parts], useFactory: (all: QuotasParts) => new QuotaRecount(all) },
    {
      provide: TierReport,
      inject: [parts, QuotaStatus],
      useFactory: (all: QuotasParts, status: QuotaStatus) => new TierReport(all, status),
    },
    {
      provide: QuotaOverrides,
      inject: [Sharding, Audit],
      useFactory: (sharding: Sharding, audit: Audit) => new QuotaOverrides({ sharding, audit }),
    },
  ],
  exports: [Quotas, QuotaStatus, QuotaRecount, QuotaOverrides, TierReport],
})
export class QuotasModule {}
