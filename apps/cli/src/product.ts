import type { INestApplicationContext } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppointmentsModule, appointmentFacts, appointmentJobs } from '#domain/appointments';
import { MembersModule, memberFacts } from '#domain/members';
import { PatientsModule, patientFacts } from '#domain/patients';
import { ReconciliationModule, reconciliationFacts, reconciliationJobs } from '#domain/reconciliation';
import { AuditModule } from '#infra/audit';
import { CacheModule, cacheConfig } from '#infra/cache';
import { parseConfig } from '#infra/config';
import { CryptoModule, cryptoConfig } from '#infra/crypto';
import { IdentityModule, identityConfig, identityJobs } from '#infra/identity';
import { newId, systemClock, type Tenant, type TenantContext } from '#infra/kernel';
import { QueuesModule } from '#infra/queues';
import { RedisModule, redisConfig } from '#infra/redis';
import { databaseConfig } from '#infra/replicas';
import { Databases, guardSchemas, ShardingModule, shardingConfig } from '#infra/sharding';
import { TelemetryModule, telemetryConfig } from '#infra/telemetry';
import { schemaWindows } from '#migrations';

@Module({})
class ProductModule {}

/** What the operator's verbs read from the environment. */
export const productSlices = {
  telemetry: telemetryConfig,
  crypto: cryptoConfig,
  redis: redisConfig,
  database: databaseConfig,
  sharding: shardingConfig,
  identity: identityConfig,
  cache: cacheConfig,
};

const deadlineMs = 60_000;

/** Runs an operator's verb on the product's own services, and closes everything after it. */
export async function withProduct<T>(work: (product: INestApplicationContext) => Promise<T>): Promise<T> {
  const config = parseConfig(productSlices);
  const quiet = { ...config.telemetry, level: 'error', monitoring: false } as const;
  const product = await NestFactory.createApplicationContext(
    {
      module: ProductModule,
      imports: [
        TelemetryModule.forRoot(quiet, { app: 'cli', version: '1' }),
        RedisModule.forRoot(config.redis),
        CryptoModule.forRoot(config.crypto),
        ShardingModule.forRoot({ ...config, applicationName: `${config.telemetry.service}:cli` }),
        QueuesModule.forRoot({
          jobs: [...identityJobs, ...appointmentJobs, ...reconciliationJobs],
          facts: [...appointmentFacts, ...memberFacts, ...patientFacts, ...reconciliationFacts],
        }),
        AuditModule,
        CacheModule.forRoot(config.cache),
        IdentityModule.forRoot(config.identity),
        AppointmentsModule,
        MembersModule,
        PatientsModule,
        ReconciliationModule,
      ],
    },
    { logger: false, abortOnError: false },
  );
  try {
    await guardSchemas(product.get(Databases), schemaWindows);
    return await work(product);
  } finally {
    await product.close();
  }
}

/** A context for an operator at work on one tenant. */
export const operatorContext = ({ id, plan }: Tenant, verb: string): TenantContext => ({
  requestId: newId(),
  actor: { kind: 'system', name: `operator:${verb}` },
  tenant: { id, plan },
  deadline: systemClock.now() + deadlineMs,
});
