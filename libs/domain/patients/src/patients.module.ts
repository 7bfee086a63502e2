import { Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { TenantCrypto } from '#infra/crypto';
import { systemClock } from '#infra/kernel';
import { Outbox } from '#infra/queues';
import { Sharding } from '#infra/sharding';
import { PatientSearchService } from './patient-search.service.js';
import { PatientsService } from './patients.service.js';
import type { PatientParts } from './records.js';
import { RegistrationService } from './registration.service.js';

const parts = Symbol('parts of patients');

@Module({
  providers: [
    {
      provide: parts,
      inject: [Sharding, Audit, Outbox, TenantCrypto],
      useFactory: (sharding: Sharding, audit: Audit, outbox: Outbox, crypto: TenantCrypto): PatientParts => ({
        sharding,
        audit,
        outbox,
        crypto,
        clock: systemClock,
      }),
    },
    { provide: PatientsService, inject: [parts], useFactory: (all: PatientParts) => new PatientsService(all) },
    { provide: RegistrationService, inject: [parts], useFactory: (all: PatientParts) => new RegistrationService(all) },
    {
      provide: PatientSearchService,
      inject: [parts],
      useFactory: (all: PatientParts) => new PatientSearchService(all),
    },
  ],
  exports: [PatientsService, RegistrationService, PatientSearchService],
})
export class PatientsModule {}
