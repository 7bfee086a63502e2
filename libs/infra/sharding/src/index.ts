export type { CopyRow, CopyType, CopyValue } from './copy-rows.js';
export { Databases, type DatabasesOptions, directoryName } from './databases.js';
export type {
  BulkContext,
  BulkDb,
  ReadContext,
  ReadDb,
  ReadOptions,
  SystemContext,
  TenantDatabase,
  WriteContext,
  WriteDb,
  WriteOptions,
} from './db.js';
export { DirectoryKeys } from './directory-keys.js';
export { type MigratedDatabase, type MigratorOptions, migrate } from './migrator.js';
export { abortMove, type Cleaned, cleanAfterMoves } from './moves/after-moves.js';
export type { MovableShard, MoveNews, MoveOutcome, MovePoint, MoverOptions, MoveStep } from './moves/move.js';
export { type MoveOrder, moveTenant } from './moves/mover.js';
export type { PlannedMove, RebalancePlan } from './moves/rebalance.js';
export {
  type Installation,
  installationOf,
  type MoveStatus,
  rebalancePlan,
  type ShardStatus,
  setShardState,
} from './moves/shard-list.js';
export type { DatabaseNode } from './nodes.js';
export { assertSchemaVersions, type SchemaWindow } from './schema-versions.js';
export { shardingConfig, shardsMax } from './sharding.config.js';
export { Sharding, type ShardResult } from './sharding.js';
export { ShardingModule } from './sharding.module.js';
export { type NewTenant, type TenantEntry, Tenants } from './tenants.js';
export { violatedConstraint } from './violations.js';
