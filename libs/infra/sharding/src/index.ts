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
export type { DatabaseNode } from './nodes.js';
export { assertSchemaVersions, type SchemaWindow } from './schema-versions.js';
export { shardingConfig, shardsMax } from './sharding.config.js';
export { Sharding, type ShardResult } from './sharding.js';
export { ShardingModule } from './sharding.module.js';
export { type NewTenant, type TenantEntry, Tenants } from './tenants.js';
export { violatedConstraint } from './violations.js';
