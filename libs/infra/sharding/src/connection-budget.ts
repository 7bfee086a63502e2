import type { NodePool } from '#infra/replicas';
import { fail } from './sharding.errors.js';
import { transact } from './transaction.js';

/** What this process may open on one server. */
export interface ServerDemand {
  readonly databases: readonly string[];
  readonly connections: number;
  /** One of its pools, to ask the server through. */
  readonly pool: NodePool;
}

export interface BudgetWords {
  /** Processes with pools of this size on the same servers. */
  readonly processes: number;
  /** PgBouncer bounds what reaches the servers; then nobody counts. */
  readonly pgbouncer: boolean;
}

/** Left for superusers, replication and operators. */
const reserved = 10;

/**
 * Throws database.over_budget, naming the databases, when all processes together may open more connections than a server
 * takes: it would refuse some of them under load, when that hurts most. A server that is away is not counted.
 */
export async function assertConnectionBudget(
  demands: readonly ServerDemand[],
  { processes, pgbouncer }: BudgetWords,
): Promise<void> {
  if (pgbouncer) return;
  await Promise.all(
    demands.map(async ({ databases, connections, pool }) => {
      const most = await maxConnections(pool).catch(() => Number.POSITIVE_INFINITY);
      if (connections * processes <= most - reserved) return;
      throw fail('database.over_budget', {
        internal:
          `the server of ${databases.join(', ')} takes ${most} connections, ${reserved} of them reserved, and ${processes} ` +
          `processes may open ${connections} each: lower DB_POOL_MAX, or put PgBouncer before it and set DB_PGBOUNCER`,
      });
    }),
  );
}

async function maxConnections(pool: NodePool): Promise<number> {
  const { value } = await transact(pool, 'read', null, (db) =>
    db.query<{ most: number }>(`select current_setting('max_connections')::int as most`),
  );
  return value[0]?.most ?? Number.POSITIVE_INFINITY;
}
