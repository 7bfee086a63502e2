import { parseConfig } from '#infra/config';
import { cryptoConfig } from '#infra/crypto';
import { identityConfig } from '#infra/identity';
import { processesConfig } from '#infra/processes';
import { redisConfig } from '#infra/redis';
import { databaseConfig } from '#infra/replicas';
import { shardingConfig } from '#infra/sharding';
import { telemetryConfig } from '#infra/telemetry';
import { gatewayConfig } from './gateway.config.js';

/** Every slice of the environment that a gateway reads. */
export const gatewaySlices = {
  gateway: gatewayConfig,
  telemetry: telemetryConfig,
  processes: processesConfig,
  crypto: cryptoConfig,
  redis: redisConfig,
  database: databaseConfig,
  sharding: shardingConfig,
  identity: identityConfig,
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws one ConfigError that lists every mistake. Without an argument it reads the process's own environment. */
export const readSettings = (environment?: Environment) => parseConfig(gatewaySlices, environment);
export type Settings = ReturnType<typeof readSettings>;
