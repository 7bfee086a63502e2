import type { BreakerState, NodePool, PoolCounts, QueryCounts } from '#infra/replicas';
import { type Databases, directoryName } from './databases.js';
import { transact } from './transaction.js';

/** One server as one of the product's databases sees it. */
export interface DatabaseNode {
  readonly database: string;
  /** `primary`, `replica-1` …; never an address. */
  readonly role: string;
  readonly connections: PoolCounts;
  /** `open`: it does not answer, and requests to it are refused at once. */
  readonly breaker: BreakerState;
  readonly queries: QueryCounts;
  /** Of a replica: whether reads go there now, and how far it was behind when last asked; Infinity: nobody knows. */
  readonly replica: { readonly inRotation: boolean; readonly lagMs: number | undefined } | null;
  /** Resolves when it answers a statement. */
  readonly ask: () => Promise<void>;
}

export function nodesOf(databases: Databases): readonly DatabaseNode[] {
  const counted = databases.counts();
  return [directoryName, ...databases.shardIds].flatMap((database) => {
    const set = databases.setOf(database);
    const seen = counted[database]?.replicas ?? [];
    const replicas = set.replicas.map((pool, n) => {
      const { inRotation = false, lagMs } = seen[n] ?? {};
      return node(database, `replica-${n + 1}`, pool, { inRotation, lagMs });
    });
    return [node(database, 'primary', set.primary, null), ...replicas];
  });
}

const node = (database: string, role: string, pool: NodePool, replica: DatabaseNode['replica']): DatabaseNode => ({
  database,
  role,
  connections: pool.counts(),
  breaker: pool.breaker,
  queries: pool.queries(),
  replica,
  ask: async () => {
    await transact(pool, 'read', null, async () => undefined);
  },
});
