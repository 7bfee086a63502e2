import { choice, flag, integer, optional, slice, type Values } from '#infra/config';
import { balancings } from './balance.js';
import { usualFailuresToOpen } from './breaker.js';

/** Sizes are per process and per node; the sum over all processes must stay under PostgreSQL's max_connections − 10. */
export const databaseConfig = slice(
  'Database pools',
  {
    poolMin: optional(
      integer('DB_POOL_MIN', {
        min: 0,
        max: 5000,
        description: 'connections kept open to a primary: 5 unless DB_POOL_SIZE says otherwise',
      }),
    ),
    poolMax: optional(
      integer('DB_POOL_MAX', {
        min: 1,
        max: 5000,
        description:
          'most connections to a primary: 20 unless DB_POOL_SIZE with DB_MAX_OVERFLOW, or DB_CONNECTION_LIMIT, says otherwise',
      }),
    ),
    poolSize: optional(
      integer('DB_POOL_SIZE', {
        min: 1,
        max: 5000,
        description: 'connections kept open to a primary, where DB_POOL_MIN is not set',
      }),
    ),
    maxOverflow: optional(
      integer('DB_MAX_OVERFLOW', {
        min: 0,
        max: 5000,
        description: 'connections beyond DB_POOL_SIZE, where DB_POOL_MAX is not set; unused ones close',
      }),
    ),
    connectionLimit: optional(
      integer('DB_CONNECTION_LIMIT', {
        min: 1,
        max: 5000,
        description: 'most connections to a primary, where neither DB_POOL_MAX nor DB_POOL_SIZE is set',
      }),
    ),
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
    createTimeoutMs: integer('DB_CREATE_TIMEOUT', {
      min: 1,
      max: 600_000,
      unit: 'milliseconds',
      default: 5_000,
      description: 'longest time to make a connection; who asked for it may have given up earlier',
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
    evictIntervalMs: integer('DB_EVICT_INTERVAL', {
      min: 100,
      max: 600_000,
      unit: 'milliseconds',
      default: 5_000,
      description: 'time between two looks that each pool has its minimum of connections',
    }),
    breakerFailures: integer('DB_BREAKER_FAILURES', {
      min: 1,
      max: 1_000,
      default: usualFailuresToOpen,
      description:
        'failures to connect in a row after which a server is left alone until a probe, once a second, finds it well',
    }),
    balancing: choice('DB_REPLICA_BALANCING', balancings, {
      default: 'power-of-two',
      description: 'which of several replicas answers a read',
    }),
    lagMultiplier: integer('REPLICA_LAG_MULTIPLIER', {
      min: 1,
      max: 100,
      default: 1,
      description:
        'replicas may lag so many times 5 s and 8 MB before their reads go to the primary; replica_heartbeat.lag_multiplier of a shard says it while all runs',
    }),
    processes: integer('DB_PROCESSES', {
      min: 1,
      max: 10_000,
      default: 1,
      description:
        'processes with pools of this size on the same servers: a start is refused when all of them together want more than max_connections − 10',
    }),
    pgbouncer: flag('DB_PGBOUNCER', {
      default: false,
      description: 'PgBouncer stands before the servers: it bounds their connections, and nobody counts at the start',
    }),
    preparedStatements: flag('DB_PREPARED_STATEMENTS', {
      default: true,
      description: 'statements get names and are parsed once per connection; false behind a PgBouncer before 1.21',
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
    ...(primaryPool(v).min > primaryPool(v).max ? ['DB_POOL_MIN must not exceed DB_POOL_MAX'] : []),
    ...(v.replicaPoolMin > v.replicaPoolMax ? ['DB_REPLICA_POOL_MIN must not exceed DB_REPLICA_POOL_MAX'] : []),
  ],
  { owns: ['DB_'], elsewhere: ['DB_RELAY_PASSWORD', 'DB_ADMIN_PASSWORD', 'DB_READONLY_PASSWORD', 'DB_ADMIN_USER'] },
);

export type DatabaseConfig = Values<(typeof databaseConfig)['variables']>;

const usual = { min: 5, max: 20 } as const;

type PrimaryPoolWords = Partial<
  Record<'poolMin' | 'poolMax' | 'poolSize' | 'maxOverflow' | 'connectionLimit', number | undefined>
>;

/** The bounds of a primary's pool. DB_POOL_MIN and DB_POOL_MAX win over size and overflow, those over the plain limit. */
export function primaryPool(words: PrimaryPoolWords): { readonly min: number; readonly max: number } {
  const { poolSize, maxOverflow, connectionLimit } = words;
  const bySize = poolSize !== undefined || maxOverflow !== undefined;
  const max = words.poolMax ?? (bySize ? (poolSize ?? usual.min) + (maxOverflow ?? 0) : (connectionLimit ?? usual.max));
  return { min: words.poolMin ?? poolSize ?? Math.min(usual.min, max), max };
}
