import { cacheConfig } from '#infra/cache';
import type { Config } from '#infra/config';
import { cryptoConfig } from '#infra/crypto';
import { challengeConfig, identityConfig } from '#infra/identity';
import { processesConfig } from '#infra/processes';
import { redisConfig } from '#infra/redis';
import { databaseConfig } from '#infra/replicas';
import { shardingConfig } from '#infra/sharding';
import { telemetryConfig } from '#infra/telemetry';
import { throttlingConfig } from '#infra/throttling';
import { apiConfig } from './api.config.js';

/** Everything that this app reads from the environment. */
export const apiSlices = {
  telemetry: telemetryConfig,
  processes: processesConfig,
  api: apiConfig,
  crypto: cryptoConfig,
  redis: redisConfig,
  database: databaseConfig,
  sharding: shardingConfig,
  cache: cacheConfig,
  throttling: throttlingConfig,
  identity: identityConfig,
  challenge: challengeConfig,
};

export type Settings = Config<typeof apiSlices>;
