import { cacheConfig } from '#infra/cache';
import { parseConfig } from '#infra/config';
import { cryptoConfig } from '#infra/crypto';
import { identityConfig } from '#infra/identity';
import { processesConfig } from '#infra/processes';
import { queuesConfig } from '#infra/queues';
import { redisConfig } from '#infra/redis';
import { databaseConfig } from '#infra/replicas';
import { shardingConfig } from '#infra/sharding';
import { telemetryConfig } from '#infra/telemetry';
import { workerConfig } from './worker.config.js';

/** Every slice of the environment that a worker reads. */
export const workerSlices = {
  worker: workerConfig,
  telemetry: telemetryConfig,
  processes: processesConfig,
  crypto: cryptoConfig,
  redis: redisConfig,
  database: databaseConfig,
  sharding: shardingConfig,
  cache: cacheConfig,
  queues: queuesConfig,
  identity: identityConfig,
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws one ConfigError that lists every mistake. Without an argument it reads the process's own environment. */
export const readSettings = (environment?: Environment) => parseConfig(workerSlices, environment);
export type Settings = ReturnType<typeof readSettings>;
