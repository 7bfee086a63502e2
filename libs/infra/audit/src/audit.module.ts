import { Global, Module } from '@nestjs/common';
import { systemClock } from '#infra/kernel';
import { Sharding } from '#infra/sharding';
import { Audit } from './audit.js';

@Global()
@Module({
  providers: [
    { provide: Audit, inject: [Sharding], useFactory: (sharding: Sharding) => new Audit(sharding, systemClock) },
  ],
  exports: [Audit],
})
export class AuditModule {}
