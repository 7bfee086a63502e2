import { parseConfig } from '#infra/config';
import { cryptoConfig, RootKey, TenantCrypto } from '#infra/crypto';
import { newId, systemClock, type TenantContext, type TenantId } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { databaseConfig, type NodePool, WritePositions } from '#infra/replicas';
import { Databases, DirectoryKeys, Sharding, shardingConfig, Tenants } from '#infra/sharding';
import { createLog, Metrics, telemetryConfig } from '#infra/telemetry';
import type { Run } from '../stack.js';

/** Longer than any round: the statements' own limit stays the connection's. */
const deadlineMs = 3_600_000;

export interface Product {
  readonly sharding: Sharding;
  readonly databases: Databases;
  readonly ctx: TenantContext;
  /** The pool of the tenant's primary. */
  readonly pool: NodePool;
  readonly epoch: number;
  end(): Promise<void>;
}

/** What an app builds on its databases, in this process, for the run's first tenant. `environment` wins over the stack's. */
export async function openProduct(
  { stack, tenantId, server }: Run,
  applicationName: string,
  environment: Readonly<Record<string, string>>,
): Promise<Product> {
  const slices = {
    sharding: shardingConfig,
    database: databaseConfig,
    crypto: cryptoConfig,
    redis: redisConfig,
    telemetry: telemetryConfig,
  };
  const config = parseConfig(slices, { ...stack.environment, LOG_LEVEL: 'error', ...environment });
  const clock = systemClock;
  const databases = new Databases({ ...config, applicationName, clock, onIdleError: () => undefined });
  const log = createLog(config.telemetry, { app: 'bench', version: '0' });
  const redis = new RedisConnections(config.redis, log, new Metrics());
  const crypto = new TenantCrypto(new RootKey(config.crypto.rootKey), new DirectoryKeys(databases), clock);
  const tenants = new Tenants(databases, clock);
  const { statementTimeoutMs } = config.database;
  const sharding = new Sharding({
    ...{ databases, tenants, crypto, clock, statementTimeoutMs },
    positions: new WritePositions(redis),
  });
  await sharding.onApplicationBootstrap();
  const { epoch, plan } = await tenants.byId(tenantId as TenantId);
  const ctx: TenantContext = {
    requestId: newId(),
    actor: { kind: 'system', name: 'bench' },
    tenant: { id: tenantId as TenantId, plan },
    deadline: clock.now() + deadlineMs,
  };
  return {
    ...{ sharding, databases, ctx, epoch },
    pool: databases.shard(`shard-${server + 1}`).primary,
    end: async () => {
      await sharding.onApplicationShutdown();
      await redis.close();
    },
  };
}
