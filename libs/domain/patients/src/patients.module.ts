import { Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { TenantCrypto } from '#infra/crypto';
import { systemClock } from '#infra/kernel';
import { Outbox } from '#infra/queues';
import { Quotas, QuotasModule } from '#infra/quotas';
import { Sharding } from '#infra/sharding';
import { NotesService } from './notes.service.js';
import { PatientSearchService } from './patient-search.service.js';
import { PatientsService } from './patients.service.js';
import type { PatientParts } from './records.js';
import { RegistrationService } from './registration.service.js';

const parts = Symbol('parts of patients');

@Module({
  imports: [QuotasModule],
  providers: [
    {
      provide: parts,
      inject: [Sharding, Audit, Outbox, TenantCrypto, Quotas],
      useFactory: (...[sharding, audit, outbox, crypto, quotas]: Needs): PatientParts => ({
        sharding,
        audit,
        outbox,
        crypto,
        quotas,
        clock: systemClock,
      }),
    },
    { provide: NotesService, inject: [parts], useFactory: (all: PatientParts) => new NotesService(all) },
    { provide: PatientsService, inject: [parts], useFactory: (all: PatientParts) => new PatientsService(all) },
    { provide: RegistrationService, inject: [parts], useFactory: (all: PatientParts) => new RegistrationService(all) },
    {
      provide: PatientSearchService,
      inject: [parts],
      useFactory: (all: PatientParts) => new PatientSearchService(all),
    },
  ],
  exports: [NotesService, PatientsService, RegistrationService, PatientSearchService],
})
export class PatientsModule {}

type Needs = [Sharding, Audit, Outbox, TenantCrypto, Quotas];
