export type { CopyRow, CopyType, CopyValue } from './copy-rows.js';
export { Databases, type DatabasesOptions, directoryName } from './databases.js';
export {
  type BulkContext,
  type BulkDb,
  figuresTimeoutMs,
  type ReadContext,
  type ReadDb,
  type ReadOptions,
  type SystemContext,
  type TenantDatabase,
  type WriteContext,
  type WriteDb,
  type WriteOptions,
} from './db.js';
export { DirectoryKeys } from './directory-keys.js';
export { DirectoryNews, type TenantChange } from './directory-news.js';
export { type FannedOut, type FanOutOptions, fanOut, type ShardOutcome } from './fan-out.js';
export {
  cursorOf,
  type MergedPage,
  type MergeParts,
  mergedPage,
  type Positions,
  positionsOf,
} from './fan-out-pages.js';
export type { FanOutReadOptions, SystemReadContext } from './fan-out-reads.js';
export { countedRowsMax, type Keyset, type Listing, listed } from './keyset.js';
export { migrate, registerShards } from './migrating/migrate.js';
export type { Backfill, ConcurrentIndex, Migration, MigrationClass, Phase } from './migrating/migration.js';
export type { InstallationOptions, MigratedDatabase, MigratorOptions } from './migrating/options.js';
export { type DatabaseStatus, type MigrationStatus, migrationStatus } from './migrating/status.js';
export { abortMove, type Cleaned, cleanAfterMoves } from './moves/after-moves.js';
export type { MovableShard, MoveNews, MoveOutcome, MovePoint, MoverOptions, MoveStep } from './moves/move.js';
export { type MoveOrder, moveTenant } from './moves/mover.js';
export type { CrowdedTenant, PlannedMove, RebalancePlan } from './moves/rebalance.js';
export {
  type Crowding,
  type Installation,
  installationOf,
  type MoveStatus,
  rebalancePlan,
  type ShardStatus,
  setShardState,
} from './moves/shard-list.js';
export type { DatabaseNode } from './nodes.js';
export { measureShardLoad, shardLoadEveryMs } from './placement-load.js';
export {
  type HotQuery,
  orderSpine,
  type PlanNode,
  type PlanOptions,
  plansOf,
  planTreesOf,
  type QueryPlan,
} from './query-plans.js';
export { type GuardOptions, guardSchemas } from './schema-versions.js';
export type { SchemaWindow, SchemaWindows } from './schema-window.js';
export { shardingConfig, shardsMax } from './sharding.config.js';
export { Sharding, type ShardResult } from './sharding.js';
export { ShardingModule } from './sharding.module.js';
export { type StatementOrder, type StatementStats, statementOrders, statementsMax } from './statement-stats.js';
export { type NewTenant, type TenantEntry, Tenants } from './tenants.js';
export { violatedConstraint } from './violations.js';
