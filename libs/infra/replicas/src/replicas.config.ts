import { integer, slice } from '#infra/config';

/** Sizes are per process and per node; the sum over all processes must stay under PostgreSQL's max_connections − 10. */
export const databaseConfig = slice(
  'Database pools',
  {
    poolMin: integer('DB_POOL_MIN', {
      min: 0,
      max: 5000,
      default: 5,
      description: 'connections kept open to a primary',
    }),
    poolMax: integer('DB_POOL_MAX', {
      min: 1,
      max: 5000,
      default: 20,
      aliases: ['DB_CONNECTION_LIMIT'],
      description: 'most connections to a primary',
    }),
    replicaPoolMin: integer('DB_REPLICA_POOL_MIN', {
      min: 0,
      max: 5000,
      default: 10,
      description: 'connections kept open to a replica',
    }),
    replicaPoolMax: integer('DB_REPLICA_POOL_MAX', {
      min: 1,
      max: 5000,
      default: 30,
      description: 'most connections to a replica',
    }),
    acquireTimeoutMs: integer('DB_ACQUIRE_TIMEOUT', {
      min: 1,
      max: 600_000,
      unit: 'milliseconds',
      default: 2_000,
      description: 'longest wait for a connection',
    }),
    queueLimit: integer('DB_QUEUE_LIMIT', {
      min: 0,
      max: 100_000,
      default: 500,
      description: 'most callers waiting for a connection; the next one is refused at once',
    }),
    idleTimeoutMs: integer('DB_IDLE_TIMEOUT', {
      min: 1_000,
      max: 3_600_000,
      unit: 'milliseconds',
      default: 30_000,
      description: 'an unused connection above the minimum closes after this long',
    }),
    statementTimeoutMs: integer('DB_STATEMENT_TIMEOUT', {
      min: 100,
      max: 600_000,
      unit: 'milliseconds',
      default: 15_000,
      description: 'longest run of one statement; a request that has less time left cancels earlier',
    }),
  },
  (v) => [
    ...(v.poolMin > v.poolMax ? ['DB_POOL_MIN must not exceed DB_POOL_MAX'] : []),
    ...(v.replicaPoolMin > v.replicaPoolMax ? ['DB_REPLICA_POOL_MIN must not exceed DB_REPLICA_POOL_MAX'] : []),
  ],
);
