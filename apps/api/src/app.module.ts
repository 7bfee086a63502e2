import { type DynamicModule, Module } from '@nestjs/common';
import { AppointmentsModule, appointmentFacts, appointmentJobs } from '#domain/appointments';
import { MembersModule, memberFacts, memberJobs } from '#domain/members';
import { PatientsModule, patientFacts } from '#domain/patients';
import { ReconciliationModule, reconciliationFacts, reconciliationJobs } from '#domain/reconciliation';
import { AuditModule } from '#infra/audit';
import { CacheModule } from '#infra/cache';
import { CryptoModule } from '#infra/crypto';
import { HealthModule } from '#infra/health';
import { IdentityModule, identityJobs } from '#infra/identity';
import { QueuesModule } from '#infra/queues';
import { quotaFacts } from '#infra/quotas';
import { RedisModule } from '#infra/redis';
import { ShardingModule } from '#infra/sharding';
import { type Log, TelemetryModule } from '#infra/telemetry';
import { ThrottlingModule } from '#infra/throttling';
import { AnalyticsApiModule } from './analytics/analytics-api.module.js';
import { AppointmentsApiModule } from './appointments/appointments-api.module.js';
import { BatchApiModule } from './batch/batch-api.module.js';
import { CatalogueApiModule } from './catalogue/catalogue-api.module.js';
import { productVersion } from './edge/version.js';
import { HealthApiModule } from './health/health-api.module.js';
import { IdentityApiModule } from './identity/identity-api.module.js';
import { MembersApiModule } from './members/members-api.module.js';
import { OperationsApiModule } from './operations/operations-api.module.js';
import { PatientsApiModule } from './patients/patients-api.module.js';
import { QuotasApiModule } from './quotas/quotas-api.module.js';
import { ReconciliationApiModule } from './reconciliation/reconciliation-api.module.js';
import type { Settings } from './settings.js';

@Module({})
export class AppModule {
  static forRoot(settings: Settings, log: Log): DynamicModule {
    const applicationName = `${settings.telemetry.service}:api`;
    return {
      module: AppModule,
      imports: [
        TelemetryModule.forRoot(settings.telemetry, { app: 'api', version: productVersion() }, log),
        HealthModule.forRoot(),
        RedisModule.forRoot(settings.redis),
        CryptoModule.forRoot(settings.crypto),
        ShardingModule.forRoot({ sharding: settings.sharding, database: settings.database, applicationName }),
        QueuesModule.forRoot({
          jobs: [...identityJobs, ...appointmentJobs, ...memberJobs, ...reconciliationJobs],
          facts: [...appointmentFacts, ...memberFacts, ...patientFacts, ...reconciliationFacts, ...quotaFacts],
        }),
        AuditModule,
        CacheModule.forRoot(settings.cache, { warmsAtStart: true }),
        ThrottlingModule.forRoot(settings.throttling),
        IdentityModule.forRoot(settings.identity, { challenge: settings.challenge }),
        AppointmentsModule,
        MembersModule,
        PatientsModule,
        ReconciliationModule,
        HealthApiModule,
        OperationsApiModule,
        QuotasApiModule,
        IdentityApiModule,
        AppointmentsApiModule,
        CatalogueApiModule,
        MembersApiModule,
        PatientsApiModule,
        ReconciliationApiModule,
        AnalyticsApiModule,
        BatchApiModule,
      ],
    };
  }
}
